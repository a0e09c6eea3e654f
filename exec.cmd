@rem For npm start on Windows: sh has an exec, cmd.exe has none and looks for it here.
@%*
