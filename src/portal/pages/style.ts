/**
 * The one stylesheet of our pages: stone and patina, light or dark as the person's system asks.
 *
 * Everything is drawn: no fonts, images or scripts are loaded. The panel is the gate: a doorway with a round arch.
 *
 * Variables are set on `select` as well: in about one load of ten WebKitGTK hands it none of them down.
 */
export const STYLE = `
:root,select{color-scheme:light dark;
--ground:#efece5;--ground-2:#e3dfd5;--panel:#fdfcfa;--line:#d9d4c8;--edge:#7b776c;--ink:#23272b;--soft:#5f635f;--accent:#1d6358;--accent-ink:#fff;--tint:#e4efec;--warn:#9a3b26;--good:#2f7d4f;--blue:#1f5687;--plum:#74397a;--ochre:#79530e;--brick:#933c28;--slate:#44525e;--shade:0 1px 1px rgb(58 50 34/.05),0 18px 48px -20px rgb(58 50 34/.28);
--serif:ui-serif,"Iowan Old Style","Palatino Linotype",Palatino,"Source Serif Pro",Charter,Georgia,serif;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",sans-serif;
--mono:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){:root,select{--ground:#14181a;--ground-2:#0e1113;--panel:#1c2224;--line:#3a4345;--edge:#7d8886;--ink:#e9e7e1;--soft:#a3a9a6;--accent:#86d2c2;--accent-ink:#0c1f1b;--tint:#22312f;--warn:#f0a088;--good:#7fcf9c;--blue:#9cc6f2;--plum:#ddb2e3;--ochre:#e6c078;--brick:#f2ab99;--slate:#bccad6;--shade:0 1px 0 rgb(255 255 255/.04) inset,0 24px 60px -24px rgb(0 0 0/.8)}}
*,*::before,*::after{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;font:400 1.0625rem/1.6 var(--sans);color:var(--ink);background:linear-gradient(var(--ground),var(--ground-2)) fixed var(--ground-2)}
h1{margin:0;font:600 1.75rem/1.22 var(--serif);letter-spacing:-.012em}
h1,h2,h3,h4{overflow-wrap:anywhere;hyphens:auto;text-wrap:balance}
h2{margin:0;font:600 1.0625rem/1.35 var(--serif)}
p{margin:0;text-wrap:pretty}
a{color:var(--accent);text-underline-offset:.2em;text-decoration-thickness:1px}
:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:.5rem}
.soft{color:var(--soft)}
.small{font-size:.875rem;line-height:1.5}
.door{flex:1;display:flex;align-items:center;justify-content:center;padding:2.5rem 1.25rem}
.panel{position:relative;width:100%;max-width:27rem;padding:3.5rem 2.75rem 2.5rem;background:var(--panel);border:1px solid var(--line);border-radius:13.5rem 13.5rem 1.25rem 1.25rem;box-shadow:var(--shade);text-align:center}
.panel::before{content:"";position:absolute;inset:.5rem;border:1px solid var(--line);border-radius:13rem 13rem .9rem .9rem;opacity:.75;pointer-events:none}
.panel>*{position:relative}
.mark{display:block;width:3.5rem;height:3.5rem;margin:0 auto 1.1rem;color:var(--accent)}
img.mark{object-fit:contain}
.place{margin-bottom:.5rem;color:var(--soft);font-size:.9375rem;letter-spacing:.01em;overflow-wrap:anywhere;text-wrap:balance}
.panel h1+p,.panel h1+.stack{margin-top:.85rem}
.stack>*+*{margin-top:.85rem}
.acts{display:grid;gap:.7rem;margin-top:1.9rem}
.acts form{display:grid}
.act{display:flex;align-items:center;justify-content:center;width:100%;min-height:3rem;padding:.6rem 1.1rem;font:600 1rem/1.3 var(--sans);text-align:center;text-decoration:none;color:var(--ink);background:transparent;border:1px solid var(--edge);border-radius:.8rem;cursor:pointer;overflow-wrap:anywhere;transition:background-color .15s,border-color .15s}
.act:hover{background:var(--tint);border-color:var(--accent)}
.act.main{color:var(--accent-ink);background:var(--accent);border-color:var(--accent)}
.act.main:hover{background:color-mix(in oklab,var(--accent) 86%,var(--ink))}
.act.end{color:var(--warn);border-color:var(--warn)}
.act.end:hover{color:var(--panel);background:var(--warn);border-color:var(--warn)}
.who{overflow-wrap:anywhere}
.facts{margin:1.6rem 0 0;padding:0;text-align:left;border-top:1px solid var(--line)}
.facts>div{display:grid;grid-template-columns:7.25rem 1fr;gap:.75rem;align-items:baseline;padding:.75rem 0;border-bottom:1px solid var(--line)}
.facts dt{color:var(--soft);font-size:.875rem;overflow-wrap:anywhere;hyphens:auto}
.facts dd{margin:0;overflow-wrap:anywhere}
.tag{display:inline-block;margin:.06rem .3rem .06rem 0;padding:.02rem .6rem;font-size:.9375rem;background:var(--tint);border-radius:1rem}
.tag.need{color:var(--warn);background:color-mix(in oklab,var(--warn) 12%,transparent);font-weight:600}
.acts+.note{margin-top:1.4rem}
.asked{margin-top:1.2rem}
.wrong{margin-top:1.2rem;color:var(--warn);font-weight:600}
.panel .fields{text-align:left}
.note .quiet{display:flex;align-items:center;justify-content:center;min-height:2.75rem;margin-top:.15rem}
.again{margin-top:.85rem}
.again strong{font-variant-numeric:tabular-nums}
.quiet{min-height:2.75rem;padding:0 .75rem;font:inherit;font-size:.9375rem;color:var(--accent);background:none;border:0;text-decoration:underline;text-underline-offset:.2em;cursor:pointer}
.cause{margin-top:1.6rem;padding:.8rem 1rem;color:var(--soft);text-align:left;background:var(--tint);border-radius:.8rem}
.cause ul{margin:.4rem 0 0;padding-left:1.1rem}
.cause code{display:block;margin-top:.2rem;font:.8125rem/1.5 var(--mono);color:var(--ink);overflow-wrap:anywhere}
.note{margin-top:2rem;color:var(--soft);font-size:.8125rem;line-height:1.5}
.help{display:block;margin-bottom:.5rem;font-size:.9375rem;color:var(--ink);overflow-wrap:anywhere}
.note code,.uses code{font:.8125rem/1 var(--mono);overflow-wrap:anywhere;user-select:all}
.code{display:inline-block;margin-bottom:.6rem;font:600 .8125rem/1 var(--sans);letter-spacing:.12em;color:var(--warn)}
.wait{display:inline-block;width:.55rem;height:.55rem;margin-right:.55rem;border-radius:50%;background:var(--accent);vertical-align:.05rem;animation:breathe 2.4s ease-in-out infinite}
@keyframes breathe{50%{opacity:.25}}
.hall{width:100%;max-width:66rem;margin:0 auto;padding:1rem 1.5rem 4rem}
.bar{display:flex;align-items:center;gap:.8rem;padding-bottom:.75rem;border-bottom:1px solid var(--line)}
.bar .mark{flex:none;width:2.1rem;height:2.1rem;margin:0}
.bar .name{flex:1;min-width:0;font:600 1.1875rem/1.25 var(--serif);overflow-wrap:anywhere}
.bar nav{position:static;inset:auto;display:flex;flex-wrap:wrap;gap:0 .35rem;width:auto;height:auto;margin:0;padding:0;font-size:.9375rem;color:var(--ink);background:none;border:0;overflow:visible}
.bar nav a{display:flex;align-items:center;min-height:2.75rem;padding:0 .7rem;color:var(--ink);text-decoration:none;border-radius:.7rem}
.bar nav a:hover{background:var(--tint);text-decoration:underline}
.bar nav a[aria-current]{color:var(--accent);font-weight:600;box-shadow:inset 0 -2px var(--accent);border-radius:0}
.bar nav a:last-child{margin-right:-.7rem}
.menu{display:none;flex:none;min-height:2.75rem;padding:0 1rem;font:600 .9375rem/1.3 var(--sans);color:var(--ink);background:transparent;border:1px solid var(--edge);border-radius:.8rem;cursor:pointer}
.menu::after{content:"";display:inline-block;width:.4rem;height:.4rem;margin:0 0 .15rem .55rem;border:solid currentColor;border-width:0 2px 2px 0;transform:rotate(45deg)}
.hall h1{margin-top:2.5rem}
.hall h1+p{margin-top:.5rem}
.apps{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.7rem;margin:1.75rem 0 0;padding:0;list-style:none}
.app{display:flex;align-items:center;gap:.85rem;height:100%;padding:.65rem .9rem;color:inherit;text-decoration:none;background:var(--panel);border:1px solid var(--line);border-radius:1rem;transition:border-color .15s,transform .15s,box-shadow .15s}
.app:hover{border-color:var(--accent);transform:translateY(-2px);box-shadow:var(--shade)}
.app>span:last-child{min-width:0;flex:1}
.app h2,.app h3{margin:0;font:600 1.0625rem/1.35 var(--serif);overflow:hidden;text-overflow:ellipsis}
.about{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:1;line-clamp:1;overflow:hidden;overflow-wrap:anywhere}
.icon{flex:none;width:2.25rem;height:2.25rem;object-fit:contain;border-radius:.6rem}
.group{margin-top:2.5rem}
.group>h2{font-size:1.1875rem}
.group>.apps{margin-top:.7rem}
.none{margin-top:1.75rem}
.jumps{display:flex;flex-wrap:wrap;gap:0 .5rem;margin:1rem -.7rem 0;font-size:.9375rem}
.jumps a{display:flex;align-items:center;min-height:2.75rem;padding:0 .7rem}
.fine{margin-top:1rem}
.host{margin-top:1.5rem}
.host.one{margin-top:-1px}
.group>h2+.host.one{margin-top:1rem}
.host.one>.rows{margin-top:0}
.host>h3{margin:0;font:600 .9375rem/1.35 var(--sans);color:var(--soft)}
.host>.rows{margin-top:.5rem}
.health{display:flex;align-items:center;gap:.45rem;margin-top:.15rem;color:var(--soft)}
.health::before{content:"";flex:none;width:.5625rem;height:.5625rem;border:2px solid currentColor;border-radius:50%}
.health.up::before{color:var(--good);background:currentColor}
.health.down{color:var(--warn);font-weight:600}
.health.down::before{border-radius:0;background:currentColor;transform:rotate(45deg) scale(.85)}
.arch{flex:none;display:grid;place-items:end center;width:2.25rem;height:2.5rem;padding-bottom:.3rem;font:600 1.0625rem/1.2 var(--serif);color:var(--accent);background:var(--tint);border-radius:1.3rem 1.3rem .35rem .35rem}
.hue-1{color:var(--blue);background:color-mix(in srgb,var(--blue) 11%,var(--panel))}
.hue-2{color:var(--plum);background:color-mix(in srgb,var(--plum) 11%,var(--panel))}
.hue-3{color:var(--ochre);background:color-mix(in srgb,var(--ochre) 12%,var(--panel))}
.hue-4{color:var(--brick);background:color-mix(in srgb,var(--brick) 11%,var(--panel))}
.hue-5{color:var(--slate);background:color-mix(in srgb,var(--slate) 12%,var(--panel))}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(8.5rem,100%),1fr));gap:1rem;margin:2rem 0 0}
.tile{display:flex;flex-direction:column-reverse;justify-content:flex-end;padding:1rem 1.25rem;background:var(--panel);border:1px solid var(--line);border-radius:1rem}
.tile dt{color:var(--soft);font-size:.875rem;line-height:1.4}
.tile dd{margin:0;font:600 1.75rem/1.25 var(--serif)}
.tile.bad{border-color:var(--warn)}
.tile.bad dd{color:var(--warn)}
.alert{margin-top:1rem;padding:1rem 1.25rem;background:color-mix(in srgb,var(--warn) 8%,var(--panel));border:1px solid var(--warn);border-radius:1rem;overflow-wrap:anywhere}
.alert ul{margin:.5rem 0;padding-left:1.25rem}
.group>.rows{margin-top:1rem}
.group>p,.group>h2+div{margin-top:.5rem}
.row h3,.row h4{margin:0;font:600 1.0625rem/1.35 var(--serif)}
.sub{margin-top:1.75rem}
.row>.decide{display:flex;flex-wrap:wrap;justify-content:flex-end;gap:.7rem;flex:0 1 auto}
.decide form{display:flex;gap:.7rem}
.decide select{min-height:2.75rem;padding:.3rem .9rem;font:400 1rem/1.3 var(--sans);color:inherit;background:var(--panel);border:1px solid var(--edge);border-radius:.8rem}
.row code{font:.8125rem/1.4 var(--mono)}
.row h2 code{font:600 1rem/1.35 var(--mono)}
.row>span{flex:none;max-width:45%}
.row>.origins{flex:0 1 24rem}
.origins .health{margin-top:0}
.made{margin-top:1.5rem;padding:1.25rem 1.5rem;background:var(--tint);border:1px solid var(--accent);border-radius:1rem}
.made code{display:block;margin-top:.6rem;padding:.7rem .9rem;font:1rem/1.5 var(--mono);overflow-wrap:anywhere;background:var(--panel);border-radius:.6rem;user-select:all}
.uses{margin-top:1.5rem}
.uses .facts{margin-top:.8rem}
.made .facts{margin-top:1rem}
@media (min-width:30.1rem){.made .facts>div{grid-template-columns:11rem 1fr}}
.made .facts+.small{margin-top:.8rem}
.empty{margin-top:2.25rem;padding:2rem 1.75rem;border:1px dashed var(--line);border-radius:1rem}
.empty p+p{margin-top:.4rem}
.rows{margin:2.25rem 0 0;padding:0;list-style:none;border-top:1px solid var(--line)}
.row{display:flex;align-items:center;gap:1.25rem;padding:1rem 0;border-bottom:1px solid var(--line)}
.row>div{flex:1;min-width:0;overflow-wrap:anywhere}
.row .act,.foot .act,.search .act{width:auto;min-height:2.75rem;padding:.4rem 1.1rem;font-size:.9375rem}
.foot{margin-top:2.5rem}
.foot .act{margin-top:1rem}
.search{display:flex;flex-wrap:wrap;align-items:center;gap:.7rem;margin-top:1.5rem}
.search label{width:100%;font-size:.9375rem;color:var(--soft)}
.search input[type=search]{flex:1;min-width:min(12rem,100%)}
.search input[type=search],.fields input,.fields select{height:2.75rem;padding:.3rem .9rem;font:400 1rem/1.3 var(--sans);color:inherit;background:var(--panel);border:1px solid var(--edge);border-radius:.8rem}
.search+.small,.fields+.small{margin-top:.7rem}
.fields{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(12rem,100%),1fr));align-items:end;gap:1rem;margin-top:1.5rem}
.fields .wide{grid-column:1/-1}
.fields label{display:block;margin-bottom:.35rem;font-size:.9375rem;color:var(--soft)}
.fields input,.fields select{width:100%}
.fields select{appearance:none;-webkit-appearance:none;padding-right:2.5rem;background:linear-gradient(45deg,transparent 50%,currentColor 0) right 1.2rem center/.4rem .4rem no-repeat,linear-gradient(-45deg,transparent 50%,currentColor 0) right .8rem center/.4rem .4rem no-repeat,var(--panel)}
.fields>.act{min-height:2.75rem;padding:.3rem 1.1rem}
.more{margin-top:1.5rem}
.more .act{display:inline-flex;width:auto;min-height:2.75rem;padding:.4rem 1.1rem;font-size:.9375rem}
.group>h3{margin:1.25rem 0 .4rem;font:600 .9375rem/1.35 var(--sans)}
.lines{margin:.5rem 0 0;padding:.85rem 1rem;overflow:auto;max-height:36rem;font:.8125rem/1.5 var(--mono);background:var(--panel);border:1px solid var(--line);border-radius:.8rem;white-space:pre;tab-size:2}
.lines .added{color:var(--good)}
.lines .removed{color:var(--warn)}
.lines .gap{color:var(--soft)}
details{margin-top:1rem}
summary{min-height:2.75rem;padding:.6rem 0;cursor:pointer}
.edit textarea{width:100%;margin-top:1rem;color:inherit;border-color:var(--edge);resize:vertical}
.edit .buttons{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:1rem}
.buttons .act{width:auto}
.changes{margin:.5rem 0 0;padding-left:1.25rem;overflow-wrap:anywhere}
.findings{margin:.5rem 0;padding-left:1.25rem;overflow-wrap:anywhere}
@media (max-width:54rem){.menu{display:block}.bar nav:not(:popover-open){display:none}.bar nav:popover-open{position:absolute;inset:4.1rem 1rem auto auto;flex-direction:column;min-width:13rem;max-width:calc(100vw - 2rem);padding:.5rem;background:var(--panel);border:1px solid var(--edge);border-radius:1rem;box-shadow:var(--shade)}.bar nav a:last-child{margin-right:0}.bar nav a[aria-current]{box-shadow:inset 3px 0 var(--accent)}}
@supports not selector(:popover-open){.bar{flex-wrap:wrap}.menu{display:none!important}}
@media (max-width:30rem){.door{align-items:flex-start;padding:1.25rem .85rem}.panel{padding:3rem 1.6rem 2rem;border-radius:50vw 50vw 1.25rem 1.25rem/11rem 11rem 1.25rem 1.25rem}.panel::before{border-radius:50vw 50vw .9rem .9rem/10.6rem 10.6rem .9rem .9rem}h1{font-size:1.5rem}.hall{padding:.85rem 1.1rem 3rem}.hall h1{margin-top:1.75rem}.facts>div{grid-template-columns:5.75rem 1fr}.row{flex-direction:column;align-items:flex-start;gap:.7rem}.row>.origins{flex:none}.row>.decide{justify-content:flex-start}.row>span{max-width:100%}}
@media (max-width:22rem){.facts>div{grid-template-columns:1fr;gap:.1rem}}
@media (prefers-contrast:more){:root,select{--soft:var(--ink);--line:var(--edge);--edge:var(--ink)}}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}.app:hover{transform:none}}
@media (forced-colors:active){.act,.app,.panel,.tag,.arch,.tile,.alert{border:1px solid}.wait{background:CanvasText;forced-color-adjust:none}.bar nav a[aria-current]{text-decoration:underline}}
@media print{:root,select{--ground:#fff;--ground-2:#fff;--panel:#fff;--ink:#000;--soft:#333;--line:#bbb;--shade:none}body{display:block;min-height:0;background:none}.bar nav,.menu,.jumps,.acts,.act,form,.wait{display:none!important}.panel{margin:0 auto;border-radius:1rem;break-inside:avoid}.panel::before{display:none}.app,.row{break-inside:avoid}}
`

/** The mark as a whole picture, without anything else. */
export const MARK =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M4 31V16a12 12 0 0 1 24 0v15z" fill="#1d6358"/><path d="M11 31V17a5 5 0 0 1 10 0v14z" fill="#fdfcfa"/></svg>'
