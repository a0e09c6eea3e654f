/** The page's style. Colours are defined once for light and once for dark; contrast is at least 4.5:1. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#fbfaf8;--card:#fff;--ink:#1c1b19;--quiet:#67635c;--line:#e4e0d8;--accent:#2b5f8a;--good:#27704a;--busy:#8a5a00;--bad:#b3261e;--fill:#2b5f8a1f}
@media (prefers-color-scheme:dark){:root{--paper:#161614;--card:#1f1f1c;--ink:#ecebe6;--quiet:#a5a198;--line:#34332f;--accent:#8bbbe4;--good:#7fcb9f;--busy:#e2b35a;--bad:#f2948b;--fill:#8bbbe42b}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.25rem clamp(1rem,4vw,2.5rem) 4rem;max-width:70rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:baseline;justify-content:space-between;margin-bottom:1.5rem}
header strong{letter-spacing:.01em}
h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;font-weight:600;letter-spacing:-.015em;margin:0;text-wrap:balance}
h2{font-size:1.05rem;font-weight:600;margin:0 0 .75rem}
section{margin-top:2.25rem}
.headline{margin-top:0}.headline ul{margin:.75rem 0 0;padding-left:1.1rem;color:var(--quiet)}
.dot{display:inline-block;width:.55em;height:.55em;border-radius:50%;margin-right:.45em;background:var(--good);vertical-align:.08em}
.busy .dot{background:var(--busy)}.bad .dot{background:var(--bad)}
.quiet,small{color:var(--quiet)}small{display:block;font-size:.8rem;font-weight:400;letter-spacing:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));margin:1.75rem 0 0;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
.figures div{padding:.8rem 1rem;box-shadow:1px 1px var(--line)}
dt{color:var(--quiet);font-size:.85rem}dd{margin:0;font-size:1.5rem;font-weight:600;letter-spacing:-.01em}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem;margin-top:1rem}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
figcaption{display:flex;gap:.5rem;align-items:baseline}.now{margin-left:auto}
svg{display:block;width:100%;height:6rem;margin-top:.4rem}
.line{fill:none;stroke:var(--accent);stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}.area{fill:var(--fill)}
.grid,.base{fill:none;stroke:var(--line);vector-effect:non-scaling-stroke}.grid{stroke-dasharray:2 4}
.scale{display:flex;justify-content:space-between;font-size:.78rem;margin-top:.3rem}
.scroll{position:relative;overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%}
caption{text-align:left;padding:.6rem 1rem 0}
th,td{text-align:left;padding:.55rem 1rem;vertical-align:baseline;font-weight:400}
thead th{color:var(--quiet);font-size:.85rem;white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}tbody tr{border-top:1px solid var(--line)}
.n{text-align:right}td.n{white-space:nowrap}.wide{min-width:13rem;width:40%}.reason{min-width:18rem;width:70%}td.bad{color:var(--bad);font-weight:600}
progress{appearance:none;display:block;width:100%;height:6px;border:0;border-radius:3px;overflow:hidden;background:var(--line);margin:.45rem 0 .2rem}
progress::-webkit-progress-bar{background:var(--line)}progress::-webkit-progress-value{background:var(--accent)}progress::-moz-progress-bar{background:var(--accent)}
td .quiet,td.quiet{font-size:.85rem}time{white-space:nowrap}
code{font:.9em ui-monospace,monospace}
.tag{display:inline-block;font-size:.78rem;font-weight:600;padding:.05rem .5rem;border:1px solid currentcolor;border-radius:99px;color:var(--busy)}
.tag.good{color:var(--good)}.tag.bad{color:var(--bad)}
.plain{list-style:none;margin:0;padding:0}.plain li{padding:.3rem 0}
form{margin:0}
button,input,select{font:inherit;color:inherit;border:1px solid var(--line);border-radius:7px;background:var(--card);padding:.3rem .8rem}
input[type=search],select{width:100%;padding:.45rem .7rem;border-color:var(--quiet)}
button{cursor:pointer;border-color:var(--quiet)}button:hover{border-color:var(--ink)}
.main{background:var(--accent);border-color:var(--accent);color:var(--card);font-weight:600;padding:.45rem 1.1rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.search{display:flex;flex-wrap:wrap;gap:.75rem;align-items:end;margin-bottom:1rem}
.search label span{display:block;color:var(--quiet);font-size:.85rem}.grow{flex:1 1 18rem}.check{padding:.45rem 0}
.bar{display:flex;flex-wrap:wrap;gap:.5rem 1rem;justify-content:space-between;align-items:center;margin:.75rem 0}.bar p{margin:0;max-width:44rem}
.notice{margin:0 0 1.25rem;padding:.6rem 1rem;border:1px solid var(--line);border-left:4px solid var(--good);border-radius:7px;background:var(--card)}.notice.bad{border-left-color:var(--bad)}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
`;

/**
 * Refreshes the figures every few seconds, unless the box is unticked, the page is hidden, or the keyboard focus is
 * among the figures. Without scripts, the reader reloads the page.
 */
export const SCRIPT = `
const box=document.querySelector("#live");
box.parentElement.hidden=false;
setInterval(async()=>{
  const old=document.querySelector("#figures");
  if(!box.checked||document.hidden||old.contains(document.activeElement))return;
  try{
    const answer=await fetch("/live");
    if(!answer.ok)throw new Error(answer.statusText);
    const fresh=new DOMParser().parseFromString(await answer.text(),"text/html");
    if(!old.contains(document.activeElement))old.replaceWith(fresh.querySelector("#figures"));
    document.querySelector("#at").replaceWith(fresh.querySelector("#at"));
  }catch{document.querySelector("#at").textContent="the listener does not answer: what you see is old"}
},3000);
`;
