/** Colours of both schemes, and what every page is made of. Text on its ground has at least 4.5:1, edges of controls 3:1. */
export const baseStyle = `
:root {
  color-scheme: light dark;
  --ground: #eef0f3; --surface: #fff; --raised: #f6f7f9; --text: #1b1d22; --quiet: #575d66; --line: #dcdfe4; --edge: #7b828c;
  --accent: #0a6c55; --awake: #0da37f; --action: #1b1d22; --on-action: #fff; --action-over: #3c414a; --danger: #b3181e; --shade: 0 1px 2px #1b1d2214, 0 12px 32px #1b1d2214;
  --low: #0a5c49; --low-ground: #e6f5ef; --medium: #1b4f9c; --medium-ground: #e8f0fd; --high: #774200; --high-ground: #fdf0d9;
  --critical: #a3161b; --critical-ground: #fdeae8; --privileged: #5b2aa8; --privileged-ground: #f1eafd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101317; --surface: #1b1e23; --raised: #23272d; --text: #ebeef2; --quiet: #a9b2bc; --line: #343941; --edge: #818a95;
    --accent: #58d3b2; --awake: #2fc79f; --action: #ebeef2; --on-action: #14171b; --action-over: #c9d0d8; --danger: #ff9d95; --shade: 0 1px 2px #0006, 0 12px 32px #0006;
    --low: #86e2c5; --low-ground: #12302a; --medium: #a9ccff; --medium-ground: #182a45; --high: #ffcb7d; --high-ground: #37280f;
    --critical: #ffb5ae; --critical-ground: #43191b; --privileged: #d1bcff; --privileged-ground: #2d2049;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-block: 3rem; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; display: flex; flex-direction: column; align-items: center; background: var(--ground); color: var(--text);
  font: 1rem/1.5 Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif; overflow-wrap: anywhere;
}
h1, h2, p, ul, dl, dd, fieldset, legend { margin: 0; padding: 0; border: 0; min-width: 0; }
ul { list-style: none; }
h1 { font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.015em; text-wrap: balance; }
h2 { font-size: 1rem; line-height: 1.5; font-weight: 650; }
a { color: var(--accent); text-underline-offset: .2em; }
code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
bdi { unicode-bidi: isolate; }
.icon { width: 1.25rem; height: 1.25rem; flex: none; }
.quiet { color: var(--quiet); }
.small { font-size: .875rem; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.banner { width: 100%; max-width: 30rem; padding: 1.5rem 1.5rem 0; display: flex; align-items: center; justify-content: center; gap: .5rem; font-weight: 650; }
.banner .awake { fill: var(--awake); }
main { width: 100%; max-width: 30rem; margin: 1.25rem 0; padding: 2rem; display: flex; flex-direction: column; gap: 1.5rem; background: var(--surface); border: 1px solid var(--line); border-radius: 1.25rem; box-shadow: var(--shade); }
main.wide { max-width: 42rem; }
form { display: flex; flex-direction: column; gap: 1.5rem; }
footer { max-width: 30rem; padding: 0 2rem 2rem; text-align: center; color: var(--quiet); font-size: .875rem; text-wrap: balance; }
.head { display: flex; flex-direction: column; gap: .5rem; }
.middle { align-items: center; text-align: center; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .375rem; }
@media (min-height: 46rem) { .banner { margin-top: auto; } body > :last-child { margin-bottom: auto; } }
@media (max-width: 34rem) {
  body { background: var(--surface); }
  main { margin: 0; padding: 1.5rem 1.25rem; border: 0; border-radius: 0; box-shadow: none; }
  .banner, body > :last-child { margin-top: 0; margin-bottom: 0; }
}
@media (prefers-reduced-motion: no-preference) { .button, .choice { transition: background-color .12s, border-color .12s; } }
`;
