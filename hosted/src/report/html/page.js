"use strict";
const root = document.documentElement, $ = (at, what) => [...at.querySelectorAll(what)];
const theme = document.getElementById("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
theme.hidden = false;
theme.onclick = () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
};
const errors = [];
addEventListener("error", event => errors.push(event.message));
if (location.hash.includes("dark")) root.dataset.theme = "dark";
if (location.hash.includes("light")) root.dataset.theme = "light";

// The place of the last entry whose first field is not after `at`, or -1.
function before(list, at) {
  let low = 0, high = list.length;
  while (high > low) { const middle = (low + high) >> 1; if (list[middle][0] > at) high = middle; else low = middle + 1; }
  return low - 1;
}
function straight(knots, at) {
  const place = before(knots, at), from = knots[Math.max(place, 0)], to = knots[Math.min(place + 1, knots.length - 1)];
  return to[0] > from[0] ? from[1] + (to[1] - from[1]) * (at - from[0]) / (to[0] - from[0]) : from[1];
}
const grouped = number => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const clock = at => (at / 1e6).toFixed(at % 1000 && 1e7 > at ? 6 : 3);

function slide(svg, at, send, take) {
  // The same geometry as the picture that stands here without a script.
  const left = 92, long = 556, lead = 0.12, span = +svg.dataset.span;
  const una = send[1], nxt = send[2], edge = Math.max(send[3], una), held = take[3];
  const x = number => left + long * Math.min(1, Math.max(0, lead + (number - una) / span));
  const ends = [[-1e15, una], [una, nxt], [nxt, edge], [Math.max(edge, nxt), 1e15], [-1e15, take[1] - held], [take[1] - held, take[1]], [take[1], take[2]]];
  $(svg, ":scope > rect").forEach((rect, place) => {
    const [from, to] = ends[place].map(x);
    rect.setAttribute("x", from); rect.setAttribute("width", Math.max(0, to - from));
  });
  svg.querySelector(".bracket").setAttribute("d", `M${x(una)} 40v-6H${Math.max(x(send[3]), x(una) + 1)}v6`);
  [una, nxt, send[3], take[2], take[1]].forEach((number, place) => {
    const pointer = $(svg, ".pointer")[place], [line, text] = pointer.children, at = x(number), late = !place || at > left + long * 0.55;
    line.setAttribute("d", line.getAttribute("d").replace(/^M[-\d.]+/, "M" + at));
    text.setAttribute("x", at + (late ? -4 : 4)); text.setAttribute("text-anchor", late ? "end" : "start");
    text.textContent = text.textContent.replace(/ [-\u2212\d\u202f]+$/, " " + grouped(number));
  });
  const view = svg.querySelector(".overview"), all = +view.dataset.whole, far = n => left + long * Math.min(1, Math.max(0, n / all));
  view.querySelector(".gone").setAttribute("width", far(una) - left);
  const frame = view.querySelector(".frame");
  frame.setAttribute("x", far(una)); frame.setAttribute("width", Math.max(3, far(send[3]) - far(una)));
  const said = [Math.max(una, 1) - 1, nxt - una, Math.max(0, send[3] - nxt), Math.max(0, send[3] - una), held, Math.max(0, take[2] - take[1])];
  $(svg.parentNode, "dd").forEach((cell, place) => { cell.textContent = grouped(said[place]); });
  svg.parentNode.querySelector(".when b").textContent = clock(at) + " s";
}

function follow(flow) {
  const data = JSON.parse(flow.querySelector("script.data").textContent), moments = data.moments, bar = flow.querySelector(".controls");
  const range = bar.querySelector(".slide"), rows = $(flow, "tr[data-t]"), ladder = flow.querySelector("svg.ladder");
  if (!moments.length) return;
  const none = [0, 0, 0, 0];
  let place = 0, timer = 0;
  const colours = {};
  $(flow, ".lanes + .legend span").forEach(item => { colours[item.lastChild.textContent.trim()] = item.firstChild.className; });
  function show(next, scroll) {
    place = Math.max(0, Math.min(moments.length - 1, next));
    const at = moments[place][0];
    range.value = place;
    range.setAttribute("aria-valuetext", `${clock(at)} s: ${moments[place][1]}`);
    bar.querySelector(".now").textContent = clock(at) + " s";
    bar.querySelector(".said").textContent = bar.querySelector(".said").title = moments[place][1];
    $(bar, ".st").forEach((pill, side) => {
      const states = data.states[side], known = before(states, at), name = 0 > known ? "" : states[known][1];
      pill.textContent = "AB"[side] + (name ? " " + name : " \u2013");
      pill.className = "st " + "ab"[side] + " " + (colours[name] || "");
    });
    const x = straight(data.axis, at);
    for (const [name, from, wide] of [["lanes", 128, 1256], ["sequence", 46, 600], ["windows", 46, 600]])
      $(flow, `.${name} .cursor`).forEach(line => line.setAttribute("transform", `translate(${from + x * wide})`));
    const y = straight(data.ladder, at);
    ladder.querySelector(".cursor").setAttribute("transform", `translate(0 ${y})`);
    const box = flow.querySelector(".ladderpanel.long .scroll");
    if (box && scroll) box.scrollTop = y * ladder.clientWidth / ladder.viewBox.baseVal.width - box.clientHeight / 2;
    $(flow, ".sliding").forEach((svg, way) =>
      slide(svg, at, data.send[way][before(data.send[way], at)] || none, data.take[way][before(data.take[way], at)] || none));
    rows.forEach(row => row.classList.toggle("past", at >= +row.dataset.t));
  }
  const near = at => { const low = Math.max(0, before(moments, at)); const up = moments[low + 1]; return up && up[0] - at < at - moments[low][0] ? low + 1 : low; };
  function timeAt(share) {
    const knots = data.axis, at = knots.findIndex(knot => knot[1] >= share);
    if (1 > at) return at ? knots[knots.length - 1][0] : knots[0][0];
    const [from, to] = [knots[at - 1], knots[at]];
    return from[0] + (to[0] - from[0]) * (share - from[1]) / (to[1] - from[1]);
  }
  for (const [name, from, wide, whole] of [["lanes", 128, 1256, 1400], ["sequence", 46, 600, 660], ["windows", 46, 600, 660]])
    $(flow, "." + name).forEach(svg => {
      const move = event => { const box = svg.getBoundingClientRect(); show(near(timeAt(((event.clientX - box.left) * whole / box.width - from) / wide)), true); };
      svg.onpointerdown = event => { svg.setPointerCapture(event.pointerId); move(event); };
      svg.onpointermove = event => { if (event.buttons) move(event); };
    });
  ladder.onclick = event => {
    const box = ladder.getBoundingClientRect(), y = (event.clientY - box.top) * 760 / box.width;
    let best = 0;
    moments.forEach((moment, at) => { if (Math.abs(straight(data.ladder, moment[0]) - y) < Math.abs(straight(data.ladder, moments[best][0]) - y)) best = at; });
    show(best);
  };
  const play = () => {
    if (timer) { clearInterval(timer); timer = 0; } else timer = setInterval(() => { if (place + 1 >= moments.length) play(); else show(place + 1, true); }, 160);
    bar.querySelector(".play").textContent = timer ? "\u275a\u275a" : "\u25b6";
  };
  bar.querySelector(".back").onclick = () => show(place - 1, true);
  bar.querySelector(".on").onclick = () => show(place + 1, true);
  bar.querySelector(".play").onclick = play;
  range.max = moments.length - 1;
  range.oninput = () => show(+range.value, true);
  flow.keys = { ArrowLeft: () => show(place - 1, true), ArrowRight: () => show(place + 1, true), Home: () => show(0, true), End: () => show(moments.length - 1, true), " ": play };
  bar.hidden = false;
  flow.classList.add("live");
  const asked = /t=([\d.]+)/.exec(location.hash);
  show(near(asked ? asked[1] * 1e6 : +flow.dataset.at), true);
}
const flows = $(document, ".flow");
flows.forEach(flow => { try { follow(flow); } catch (error) { errors.push(String(error)); } });
addEventListener("keydown", event => {
  if (/BUTTON|SELECT|TEXTAREA/.test(event.target.tagName) || event.target.type === "radio" || event.ctrlKey || event.metaKey || event.altKey) return;
  const flow = flows.find(flow => flow.getBoundingClientRect().bottom > 80), key = flow && flow.keys && flow.keys[event.key];
  if (key) { event.preventDefault(); key(); }
});
// With #selftest in the address the page says what it measured: errors, labels that overlap, and the time to draw.
function overlaps(svg) {
  const boxes = $(svg, "text.label, .pill.label").map(item => [item.getBoundingClientRect(), item.textContent]).filter(one => one[0].width);
  const found = [];
  boxes.sort((one, other) => one[0].top - other[0].top);
  boxes.forEach(([box, text], at) => {
    for (let next = at + 1; boxes.length > next && box.bottom > boxes[next][0].top + 2.5; next += 1) {
      const [other, said] = boxes[next];
      if (Math.min(box.right, other.right) > Math.max(box.left, other.left) + 1) found.push(`${svg.classList[0]}: "${text}" and "${said}"`);
    }
    const frame = svg.getBoundingClientRect();
    if (frame.left > box.left + 1 || box.right > frame.right + 1) found.push(`${svg.classList[0]}: "${text}" leaves the drawing`);
  });
  return found;
}
if (location.hash.includes("selftest")) {
  const pre = document.createElement("pre");
  pre.id = "selftest";
  const flat = $(document, "svg.ladder, svg.diagram, svg.lanes").flatMap(overlaps);
  const live = flows.every(flow => flow.classList.contains("live"));
  const wide = root.scrollWidth > root.clientWidth + 1 ? 1 : 0;
  pre.textContent = [`errors ${errors.length}`, ...errors, `overlaps ${flat.length}`, ...flat, `live ${live}`, `wider ${wide}`, `drawn ${Math.round(performance.now())} ms`].join("\n");
  document.body.append(pre);
}
