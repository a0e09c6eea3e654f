/** The pages' style. Colours are defined once for light and once for dark; contrast is at least 4.5:1. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#fbfaf8;--card:#fff;--ink:#1c1b19;--quiet:#67635c;--line:#e4e0d8;--accent:#2b5f8a;--good:#27704a;--busy:#8a5a00;--bad:#b3261e;--fill:#2b5f8a1f;--soft:#a9c3d8}
@media (prefers-color-scheme:dark){:root{--paper:#161614;--card:#1f1f1c;--ink:#ecebe6;--quiet:#a5a198;--line:#34332f;--accent:#8bbbe4;--good:#7fcb9f;--busy:#e2b35a;--bad:#f2948b;--fill:#8bbbe42b;--soft:#3d5467}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:1.25rem clamp(1rem,4vw,2.5rem) 4rem;max-width:70rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline;justify-content:space-between;margin-bottom:1.5rem}
header strong,header a{font-weight:600;letter-spacing:.01em}
a{color:var(--accent);text-underline-offset:.2em;text-decoration-thickness:1px}a:hover{text-decoration-thickness:2px}
h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;font-weight:600;letter-spacing:-.015em;margin:0;text-wrap:balance}
h2{font-size:1.05rem;font-weight:600;margin:0 0 .75rem}h2.large{font-size:1.3rem;letter-spacing:-.01em}
section{margin-top:2.25rem}
.headline{margin-top:0}.headline ul{margin:.75rem 0 0;padding-left:1.1rem;color:var(--quiet)}
.dot{display:inline-block;width:.55em;height:.55em;border-radius:50%;margin-right:.45em;background:var(--good);vertical-align:.08em}
.busy .dot{background:var(--busy)}.bad .dot{background:var(--bad)}
.quiet,small{color:var(--quiet)}small{display:block;font-size:.8rem;font-weight:400;letter-spacing:0}
b.bad,td.bad,dd.bad{color:var(--bad);font-weight:600}.good{color:var(--good)}
.figures,.panel,.cards,.group,.week,.chart{background:var(--card);border:1px solid var(--line);border-radius:10px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));margin:1.75rem 0 0;overflow:hidden}
.figures div{padding:.8rem 1rem;box-shadow:1px 1px var(--line);min-width:0}
dt{color:var(--quiet);font-size:.85rem}dd{margin:0}.figures dd{font-size:1.5rem;font-weight:600;letter-spacing:-.01em}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr));gap:1rem;margin-top:1rem}
.chart{margin:0;padding:.8rem 1rem}
figcaption{display:flex;flex-wrap:wrap;gap:.1rem .5rem;align-items:baseline}.now{margin-left:auto}
svg{display:block;width:100%;height:6rem;margin-top:.4rem}
.line{fill:none;stroke:var(--accent);stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}.area{fill:var(--fill)}
.grid,.base{fill:none;stroke:var(--line);vector-effect:non-scaling-stroke}.grid{stroke-dasharray:2 4}
.scale{display:flex;justify-content:space-between;font-size:.78rem;margin-top:.3rem}
.week{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,6fr);overflow:hidden}
.week .chart{border:0;border-right:1px solid var(--line);border-radius:0;display:flex;flex-direction:column}.week svg{flex:1;min-height:7rem}
.week figcaption{gap:.25rem 1rem;font-size:.85rem;color:var(--quiet)}.days span{flex:1;text-align:center}
.key{display:inline-block;width:.7em;height:.7em;border-radius:2px;background:var(--soft)}.key.made{background:var(--accent)}
rect.made{fill:var(--accent)}rect.lent{fill:var(--soft)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .75rem;vertical-align:baseline;font-weight:400;white-space:nowrap}
thead th{color:var(--quiet);font-size:.85rem}tbody tr{border-top:1px solid var(--line)}.n{text-align:right}
ul,ol{margin:0;padding:0;list-style:none}.headline ul{list-style:disc}
.cards li{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,6fr) minmax(0,11fr) auto;gap:.6rem 1.5rem;align-items:center;padding:.75rem 1rem}
.cards li+li,.rows li+li,.hits li+li{border-top:1px solid var(--line)}
.name{font-weight:600}.name a{color:inherit}.progress{font-size:.9rem}
.numbers{display:grid;grid-template-columns:repeat(4,minmax(0,1fr)) minmax(5.5rem,auto);gap:.5rem;margin:0}.numbers dt{font-size:.78rem;white-space:nowrap}
.panel{padding:.9rem 1rem}.panel .numbers{margin-top:.75rem}
progress{appearance:none;display:block;width:100%;height:6px;border:0;border-radius:3px;overflow:hidden;background:var(--line);margin:.3rem 0 .25rem}
progress::-webkit-progress-bar{background:var(--line)}progress::-webkit-progress-value{background:var(--accent)}progress::-moz-progress-bar{background:var(--accent)}
time{white-space:nowrap}code{font:.9em ui-monospace,monospace}
.tag{display:inline-block;font-size:.78rem;font-weight:600;letter-spacing:0;vertical-align:.15em;padding:.05rem .5rem;border:1px solid currentcolor;border-radius:99px;color:var(--busy)}
.tag.good{color:var(--good)}.tag.bad{color:var(--bad)}
.plain li{padding:.3rem 0}
.group{margin-top:.75rem;padding:0 1rem}.group>summary{display:flex;gap:.75rem;padding:.7rem 0}.group[open]{padding-bottom:.7rem}
summary{cursor:pointer}.group>summary b{flex:none}.group>summary::before{content:"▸";color:var(--quiet)}.group[open]>summary::before{content:"▾"}
.group .bar{margin:0 0 .25rem}
.rows li,.hits li>div{display:flex;flex-wrap:wrap;gap:.1rem .9rem;align-items:center;padding:.4rem 0}.rows.panel{padding:.3rem 1rem;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(14rem,100%),1fr));gap:0 1.5rem}.rows.panel li+li{border:0}
.facts{display:grid;gap:.6rem 1.5rem;margin:0}.facts div{display:grid;grid-template-columns:minmax(7rem,10rem) minmax(0,1fr);gap:.1rem 1rem}
.text{white-space:pre-wrap;max-width:46rem}
.hits li{padding:.35rem 0}.hits p{margin:0 0 .4rem;max-width:46rem}
form{margin:0}
button,input,select{font:inherit;color:inherit;border:1px solid var(--line);border-radius:7px;background:var(--card);padding:.3rem .8rem;min-height:2.2rem}
input[type=search],input[type=text],select{width:100%;padding:.45rem .7rem;border-color:var(--quiet)}
input[type=checkbox]{min-height:0;width:1.05rem;height:1.05rem;accent-color:var(--accent);vertical-align:-.15em}
button{cursor:pointer;border-color:var(--quiet)}button:hover{border-color:var(--ink)}
.link{border:0;background:none;padding:0 .1rem;color:var(--accent);text-decoration:underline;text-decoration-thickness:1px;text-underline-offset:.2em;text-align:left}
.main{background:var(--accent);border-color:var(--accent);color:var(--card);font-weight:600;padding:.45rem 1.1rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
.search{display:flex;flex-wrap:wrap;gap:.75rem;align-items:end;margin-bottom:1rem}.search label{min-width:0}
.search label span{display:block;color:var(--quiet);font-size:.85rem}.search select{max-width:14rem}.search .grow{flex:1 1 18rem}.check{padding:.45rem 0}.grow{flex:1}
.whole{flex-basis:100%}.whole summary{color:var(--quiet);padding:.2rem 0}.whole label{display:block;margin:.5rem 0}.whole p{max-width:46rem;margin:.25rem 0 0}
.bar{display:flex;flex-wrap:wrap;gap:.5rem 1rem;justify-content:space-between;align-items:center;margin:0 0 .75rem}.bar h2{margin:0}
.notice{margin:0 0 1.25rem;padding:.6rem 1rem;border:1px solid var(--line);border-left:4px solid var(--good);border-radius:7px;background:var(--card)}.notice.bad{border-left-color:var(--bad)}.notice.busy{border-left-color:var(--busy)}
@media (max-width:60rem){
.cards li{grid-template-columns:minmax(0,1fr) auto}.cards .name{order:1}.cards .action{order:2}.cards .progress{order:3;grid-column:1/-1}.cards .numbers{order:4;grid-column:1/-1}
.week{grid-template-columns:minmax(0,1fr)}.week .chart{border-right:0;border-bottom:1px solid var(--line)}
}
@media (max-width:30rem){
th,td{padding:.4rem .5rem}.week th,.week td{padding:.4rem .2rem}.wide{display:none}.facts div{grid-template-columns:minmax(0,1fr)}
button,select,input[type=search],input[type=text]{min-height:2.75rem}.figures dd{font-size:1.3rem}.figures{grid-template-columns:1fr 1fr}.figures div:last-child:nth-child(odd){grid-column:1/-1}.numbers{gap:.25rem}
.search>label:not(.check){flex:1 1 100%}.search select{max-width:none}
}
`;
