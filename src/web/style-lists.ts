/** Lists of scopes, apps and sessions. */
export const listStyle = `
.part { display: flex; flex-direction: column; gap: .75rem; }
legend { padding-bottom: .75rem; }
.scopes { border: 1px solid var(--line); border-radius: .875rem; overflow: clip; }
.scopes li + li { border-top: 1px solid var(--line); }
.choice { position: relative; display: grid; grid-template-columns: 1.5rem minmax(0, 1fr); gap: .125rem .875rem; padding: .875rem 1rem; }
.choice > :not(:first-child) { grid-column: 2; }
label.title::after { content: ""; position: absolute; inset: 0; cursor: pointer; }
.choice:has(input):hover { background: var(--raised); }
.choice .title { font-weight: 600; }
.choice > .icon { width: 1.5rem; height: 1.5rem; color: var(--accent); }
.choice p { color: var(--quiet); font-size: .875rem; line-height: 1.45; }
.choice input { appearance: none; width: 1.5rem; height: 1.5rem; margin: 0; display: grid; place-items: center; background: var(--surface); border: 2px solid var(--edge); border-radius: .4375rem; cursor: pointer; }
.choice input:checked { background: var(--accent); border-color: var(--accent); }
.choice input:checked::before { content: ""; width: .375rem; height: .75rem; margin-top: -.1875rem; border: solid var(--surface); border-width: 0 .1875rem .1875rem 0; transform: rotate(45deg); }
.choice input:focus-visible { border-radius: .4375rem; }
.choice:has(input:focus-visible) { background: var(--raised); }
.chip { display: inline-flex; gap: .375rem; align-items: center; justify-self: start; margin-top: .375rem; padding: .125rem .625rem .125rem .5rem; border-radius: 1rem; font-size: .8125rem; line-height: 1.4; font-weight: 600; }
.chip .icon { width: .875rem; height: .875rem; }
.low { color: var(--low); background: var(--low-ground); } .medium { color: var(--medium); background: var(--medium-ground); }
.high { color: var(--high); background: var(--high-ground); } .critical { color: var(--critical); background: var(--critical-ground); }
.privileged { color: var(--privileged); background: var(--privileged-ground); }
.current { color: var(--low); background: var(--low-ground); margin: 0; padding: .125rem .625rem; }
details { border: 1px solid var(--line); border-radius: .875rem; }
summary { padding: .75rem 1rem; font-weight: 600; cursor: pointer; border-radius: .875rem; }
summary:hover { background: var(--raised); }
details ul { padding: 0 1rem .875rem; display: flex; flex-direction: column; gap: .5rem; }
.tick { display: flex; gap: .625rem; align-items: flex-start; }
.tick .icon { color: var(--accent); margin-top: .125rem; }
.usercode { font: 650 1.75rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; letter-spacing: .1em; text-align: center; padding: .75rem; background: var(--raised); border: 1px solid var(--line); border-radius: .875rem; }
.rows { display: flex; flex-direction: column; }
.row { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: flex-start; padding: 1rem 0; }
.row + .row { border-top: 1px solid var(--line); }
.row .about { flex: 1 1 14rem; min-width: 0; display: flex; flex-direction: column; gap: .25rem; }
.row .top { display: flex; flex-wrap: wrap; gap: .25rem .625rem; align-items: center; font-weight: 600; }
.plain { display: flex; flex-direction: column; gap: .125rem; padding-left: 1.125rem; list-style: disc; }
.facts { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .25rem 1rem; padding: .75rem 1rem; font-size: .875rem; background: var(--raised); border: 1px solid var(--line); border-radius: .875rem; }
.facts dt { color: var(--quiet); }
.sign { width: 3.5rem; height: 3.5rem; border-radius: 50%; display: grid; place-items: center; }
.sign .icon { width: 1.75rem; height: 1.75rem; }
@media (max-width: 34rem) { .row .button { margin-left: 3.5rem; } .account a { flex-basis: 100%; margin-left: 3rem; padding: .25rem 0; } }
@keyframes settle { from, to { pointer-events: none; } }
.settle { animation: settle .5s; }
@media (forced-colors: active) {
  .chip, .tile, .sign, .mark { border: 1px solid; }
  .choice input { appearance: auto; }
  .choice input:checked::before { content: none; }
}
`;
