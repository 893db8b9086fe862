/** How the page looks. Series have the colours of Okabe and Ito, told apart by most eyes. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #fdfdfb; --ink: #1d2328; --soft: #5b666f; --rule: #d9dedf;
  --panel: #f3f5f4; --ours: #0072b2; --c: #c44e00; --js: #00805c; --lib: #8a5a9e; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181b; --ink: #e6eaec; --soft: #9aa7b0;
  --rule: #333c42; --panel: #1c2226; --ours: #56b4e9; --c: #f08a4b; --js: #3ec79b; --lib: #cc9be0;
  --warn: #3a300f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 2rem 0 .25rem; }
p { margin: .5rem 0; max-width: 46rem; }
.soft { color: var(--soft); }
.warn { background: var(--warn); border-radius: 6px; padding: .6rem .9rem; margin: 1rem 0; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1rem 0; }
a { color: var(--ours); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--ours); outline-offset: 2px; }
code, pre { font-family: ui-monospace, "SF Mono", Consolas, monospace; font-size: .9em; }
pre { background: var(--panel); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: .5rem 0 1rem; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: .22rem .5rem .22rem 0; white-space: nowrap; vertical-align: middle; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.first td { border-top: 1px solid var(--rule); padding-top: .45rem; }
td.name { font-family: ui-monospace, Consolas, monospace; font-size: .85rem; }
td.worse { color: var(--c); } td.better { color: var(--js); } td.even { color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.25rem; padding: 0; margin: .5rem 0; list-style: none;
  font-size: .88rem; }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 50%;
  margin-right: .4rem; vertical-align: -1px; }
svg.plot { width: 100%; min-width: 38rem; height: auto; display: block; margin: .5rem 0; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg text.row { font-family: ui-monospace, Consolas, monospace; fill: var(--ink); }
svg text.axis, svg text.side { fill: var(--ink); }
svg text.end { font-weight: 600; }
.grid { stroke: var(--rule); stroke-width: 1; } .base { stroke: var(--soft); }
.even { stroke: var(--ink); stroke-width: 1.5; }
line.cache { stroke: var(--soft); stroke-dasharray: 3 4; } text.cache { font-size: 11px; }
.line { fill: none; stroke-width: 2.2; } .whisker { stroke-width: 2.5; opacity: .55; }
.s-ours { --hue: var(--ours); } .s-c { --hue: var(--c); } .s-js { --hue: var(--js); }
.s-lib { --hue: var(--lib); }
svg text.end { fill: var(--hue); } .line, .whisker { stroke: var(--hue); }
.point > :not(title, line), .s-c > circle, .s-js > circle, .s-lib > circle { fill: var(--hue);
  stroke: var(--paper); stroke-width: 1.2; }
.undecided > circle { fill: var(--paper); stroke: var(--hue); stroke-width: 2; }
.legend i, rect.bar { background: var(--hue); fill: var(--hue); }
svg.bar { width: 9rem; height: 14px; display: block; }
svg.bar line { stroke: var(--ink); stroke-width: 1.5; }
details { margin: .25rem 0 1rem; } summary { cursor: pointer; color: var(--soft); }
@media print { details { display: block; } }
`;
