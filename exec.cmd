@rem For npm start on Windows: sh has an exec, cmd.exe has none and looks for it here.
@rem An "env NAME=VALUE" is left out there; to cmd.exe the = is a space.
@if "%1"=="env" (%4 %5 %6 %7 %8 %9) else %*
