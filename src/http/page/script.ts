/**
 * Shows each time in the reader's own time zone when it is pointed at, which no server knows: without scripts it is UTC.
 * Refreshes the figures every few seconds, unless the box is unticked, the page is hidden, a row is ticked, or the keyboard
 * focus is among the figures. What the reader has opened stays open. Without scripts, the reader reloads the page.
 */
export const SCRIPT = `
const inLocalTime=()=>{
  for(const time of document.querySelectorAll("time[datetime]"))
    time.title=new Date(time.dateTime).toLocaleString(undefined,{dateStyle:"medium",timeStyle:"long"});
};
inLocalTime();
const box=document.querySelector("#live");
if(box){
box.parentElement.hidden=false;
setInterval(async()=>{
  const old=document.querySelector("#figures");
  if(!box.checked||document.hidden||old.contains(document.activeElement)||old.querySelector("input:checked"))return;
  try{
    const answer=await fetch("/live");
    if(!answer.ok)throw new Error(answer.statusText);
    const page=new DOMParser().parseFromString(await answer.text(),"text/html");
    const fresh=page.querySelector("#figures");
    for(const each of old.querySelectorAll("details[id]")){
      const same=fresh.querySelector("#"+each.id);
      if(same)same.open=each.open;
    }
    if(!old.contains(document.activeElement))old.replaceWith(fresh);
    document.querySelector("#at").replaceWith(page.querySelector("#at"));
    inLocalTime();
  }catch{document.querySelector("#at").textContent="the listener does not answer: what you see is old"}
},3000);
}
`;
