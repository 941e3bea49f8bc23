/** Forms, and the parts that pages share. */
export const partStyle = `
.field { display: flex; flex-direction: column; gap: .375rem; }
.fields { display: flex; flex-direction: column; gap: 1rem; }
.field label { font-weight: 600; font-size: .9375rem; }
.field input {
  width: 100%; min-height: 3rem; padding: .625rem .875rem; font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--edge); border-radius: .625rem;
}
.field input[aria-invalid="true"] { border: 2px solid var(--danger); }
.field input.code { font: 600 1.5rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; letter-spacing: .12em; text-align: center; text-transform: uppercase; }
.button {
  display: inline-flex; align-items: center; justify-content: center; gap: .5rem; min-height: 3rem; padding: .625rem 1rem; font: inherit; font-weight: 600; text-align: center; text-decoration: none;
  cursor: pointer; border: 1px solid var(--action); border-radius: 1.5rem; background: var(--action); color: var(--on-action);
}
.button:hover { background: var(--action-over); border-color: var(--action-over); }
.button.second { background: transparent; color: var(--text); border-color: var(--edge); }
.button.second:hover { background: var(--raised); }
.button.ending { min-height: 2.5rem; padding: .375rem 1rem; background: transparent; color: var(--danger); border-color: var(--edge); font-size: .9375rem; flex: none; }
.button.ending:hover { background: var(--critical-ground); border-color: var(--danger); }
.button:focus-visible { border-radius: 1.5rem; }
.buttons { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9rem), 1fr)); gap: .75rem; }
.stack { display: flex; flex-direction: column; gap: .75rem; }
.or { display: flex; align-items: center; gap: .75rem; color: var(--quiet); font-size: .875rem; }
.or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.note { display: flex; gap: .625rem; align-items: flex-start; color: var(--quiet); font-size: .875rem; }
.note .icon { margin-top: .0625rem; }
.box { display: flex; gap: .75rem; align-items: flex-start; padding: .875rem 1rem; border: 1px solid color-mix(in srgb, currentColor 40%, transparent); border-radius: .75rem; }
.box .icon { margin-top: .125rem; }
.box p { color: var(--text); }
.box a { color: inherit; }
.box:focus-visible { outline-color: currentColor; border-radius: .75rem; }
.box.bad { color: var(--critical); background: var(--critical-ground); }
.box.good { color: var(--low); background: var(--low-ground); }
.box.wary { color: var(--high); background: var(--high-ground); }
.app { display: flex; flex-direction: column; align-items: center; text-align: center; gap: .75rem; }
.tile { width: 4.5rem; height: 4.5rem; border-radius: 1.25rem; display: grid; place-items: center; flex: none; font-size: 1.625rem; font-weight: 650; overflow: hidden; }
.tile img { width: 100%; height: 100%; object-fit: cover; }
.tile.little { width: 2.5rem; height: 2.5rem; border-radius: .75rem; font-size: 1rem; }
.tile.round { width: 2.25rem; height: 2.25rem; border-radius: 50%; font-size: .9375rem; }
.hue0 { background: #d7f2e8; color: #0a5643; } .hue1 { background: #dbe8fd; color: #194a92; } .hue2 { background: #fbe6c8; color: #6f3d00; }
.hue3 { background: #fbdfe6; color: #8c1440; } .hue4 { background: #e9defb; color: #53269b; } .hue5 { background: #d5eff7; color: #0b4d63; }
@media (prefers-color-scheme: dark) {
  .hue0 { background: #14493c; color: #a5ecd5; } .hue1 { background: #1f3f72; color: #c3dbff; } .hue2 { background: #563806; color: #ffd9a0; }
  .hue3 { background: #5f1c38; color: #ffc5d6; } .hue4 { background: #42297a; color: #dfd0ff; } .hue5 { background: #144657; color: #b3e6f7; }
}
.by { display: flex; flex-wrap: wrap; gap: .25rem .625rem; align-items: center; justify-content: center; color: var(--quiet); font-size: .9375rem; }
.mark { display: inline-flex; gap: .3125rem; align-items: center; font-weight: 600; font-size: .875rem; color: var(--accent); }
.mark.none { color: var(--high); }
.mark .icon { width: 1.125rem; height: 1.125rem; }
.cut { stroke: var(--surface); }
.account { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: center; padding: .75rem; background: var(--raised); border: 1px solid var(--line); border-radius: .875rem; }
.account .who { flex: 1 1 12rem; min-width: 0; line-height: 1.35; }
.account a { padding: .25rem; }
.who b { font-weight: 600; }
`;
