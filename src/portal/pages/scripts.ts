/**
 * The scripts of our pages, each allowed on its page by its hash and nowhere else. A page does all that it is for without them.
 *
 * Each is a constant: what it needs to know stands in the page, in `data-` attributes, and is never code.
 */
export type Script = 'countdown'

/**
 * Loads a page again after `data-again` seconds, counted where one sees it and stopped by its button; what nobody looks at waits. To
 * `data-to` where that is given.
 */
const COUNTDOWN = `(()=>{const box=document.querySelector('[data-again]'),left=box.querySelector('strong'),{again,to}=box.dataset
let seconds=Number(again)
const tick=()=>{if(document.hidden)return
seconds-=1
left.textContent=seconds
if(seconds>0)return
clearInterval(timer)
if(to)location.replace(to)
else location.reload()}
const timer=setInterval(tick,1000)
box.querySelector('button').addEventListener('click',()=>{clearInterval(timer)
box.hidden=true})
box.hidden=false})()`

export const SCRIPTS: Readonly<Record<Script, string>> = { countdown: COUNTDOWN }
