/**
 * The scripts of Sallyport's own pages. Each is allowed on its page by its hash, and nowhere else. A page does its
 * whole task without them.
 *
 * Each is a constant: its data is in the page, in `data-` attributes, and is never code.
 */
export type Script = 'check-file' | 'countdown' | 'search' | 'when-seen' | 'keep-fragment' | 'give-fragment'

/**
 * Loads a page again after `data-again` seconds, with a visible count and a button that stops it; a hidden page waits.
 * Loads `data-to` where that is given.
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

/** Shows what fits while one types, as the form does once it is sent. */
const SEARCH = `(()=>{const box=document.querySelector('input[type=search]'),none=document.querySelector('.none')
const apps=[...document.querySelectorAll('[data-find]')],groups=[...document.querySelectorAll('.group')]
const isShown=app=>!app.hidden
box.addEventListener('input',()=>{const words=box.value.trim().toLowerCase().split(/\\s+/)
for(const app of apps)app.hidden=!words.every(word=>app.dataset.find.includes(word))
for(const group of groups)group.hidden=!apps.some(app=>isShown(app)&&group.contains(app))
none.hidden=apps.some(isShown)})})()`

/** Where a window keeps a fragment, with the path that it belongs to and the time, in ms; nothing else of this host reads it. */
const KEPT = "'sallyport-fragment'"

/**
 * Keeps the fragment (after `#`) of the address, and continues. A sign-in that restarts without one leaves the kept
 * one.
 */
const KEEP_FRAGMENT = `(()=>{const{returnTo,onward}=document.querySelector('[data-onward]').dataset
try{if(location.hash)sessionStorage.setItem(${KEPT},JSON.stringify([returnTo,location.hash,new Date().getTime()]))}catch{}
location.replace(onward)})()`

/**
 * Continues with the fragment that is kept for the path, no longer than a sign-in may take. Only a `#` can follow the
 * path, so it leads nowhere else.
 */
const GIVE_FRAGMENT = `(()=>{const{returnTo,onward}=document.querySelector('[data-onward]').dataset
let hash=''
try{const[path,kept,at]=JSON.parse(sessionStorage.getItem(${KEPT}))
if(path===returnTo&&kept[0]==='#'&&new Date().getTime()-at<3600000)hash=kept}catch{}
try{sessionStorage.removeItem(${KEPT})}catch{}
location.replace(onward+hash)})()`

/**
 * Continues once the tab is visible: to `data-now`, or after half an hour, when that may be too old, to `data-later`.
 */
const WHEN_SEEN = `(()=>{const{now,later}=document.querySelector('[data-now]').dataset,since=new Date().getTime()
const look=()=>{if(document.hidden)return
document.removeEventListener('visibilitychange',look)
location.replace((new Date().getTime()-since<1800000?now:later)+location.hash)}
document.addEventListener('visibilitychange',look)
look()})()`

/** Has what is typed checked, once nothing more is typed for a moment; what is typed meanwhile takes its place. */
const CHECK_FILE = `(()=>{const form=document.querySelector('form.edit'),list=document.querySelector('#findings')
let timer,asking
const ask=async()=>{asking?.abort()
asking=new AbortController()
const body=new URLSearchParams(new FormData(form))
body.set('act','check')
try{const answer=await fetch(form.getAttribute('action'),{method:'POST',body,headers:{accept:'application/json'},signal:asking.signal})
const{says}=await answer.json()
if(!says)return
list.replaceChildren(...says.map(text=>{const line=document.createElement('li')
line.textContent=text
return line}))}catch{}}
form.addEventListener('input',()=>{clearTimeout(timer)
timer=setTimeout(ask,500)})})()`

export const SCRIPTS: Readonly<Record<Script, string>> = {
  'check-file': CHECK_FILE,
  countdown: COUNTDOWN,
  search: SEARCH,
  'when-seen': WHEN_SEEN,
  'keep-fragment': KEEP_FRAGMENT,
  'give-fragment': GIVE_FRAGMENT,
}
