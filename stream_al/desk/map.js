// The map: points on a canvas, with zoom, pan, lasso and a legend's colours. It draws and it tells what was
// pointed at; what the points mean is the business of `explore.js`.

const RADIUS = 3.2;
const NEAR = 12; // pixels from a point that still point at it
const PADDING = 24;
const MOST_ZOOM = 400;
const MOST_STRETCH = 3; // of one axis against the other, so that the points fill the canvas

// Okabe and Ito's colours, which people with any colour vision tell apart, a shade darker or lighter by theme.
export const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#00805d", "#b4508f", "#8a6d00", "#3a9bd1", "#7a4b1e", "#5b3fa0", "#111827"],
  dark: ["#5cb3f0", "#ff8f3d", "#2fc49a", "#e58fc2", "#f0e442", "#9ad7ff", "#d7a57a", "#b7a2ff", "#f3f4f6"],
};
export const OTHER = { light: "#8b94a3", dark: "#6f7a8c" };
// Viridis, whose lightness rises evenly; the end that stands out from the ground means more.
const VIRIDIS = [[253, 231, 37], [94, 201, 98], [33, 145, 140], [59, 82, 139], [68, 1, 84]];

export function gradient(value, theme) {
  const at = Math.min(1, Math.max(0, theme === "dark" ? 1 - value : value)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const mix = VIRIDIS[low].map((one, n) => Math.round(one + (VIRIDIS[low + 1][n] - one) * (at - low)));
  return `rgb(${mix.join(" ")})`;
}

/** A list of numbers from base64 of little-endian numbers. */
export function unpack(text, Type) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Type(bytes.buffer);
}

/**
 * The map on a canvas.
 *
 * @param {HTMLCanvasElement} canvas Where it is drawn.
 * @param {object} on `pick(place)` when a point is clicked, `lasso(places)`, `hover(place, x, y)`.
 */
export function createMap(canvas, on) {
  let data = { x: [], y: [], reach: [1, 1], colours: [], ringed: () => false, faded: () => false, chosen: () => false, current: -1 };
  let view = { scale: 1, x: 0, y: 0 }; // in units of the map at scale 1
  let mode = "pan";
  let lasso = null;
  let waiting = false;
  const pointers = new Map();
  let moved = 0;
  const media = matchMedia("(prefers-reduced-motion: reduce)");

  const size = () => [canvas.clientWidth || 300, canvas.clientHeight || 300];

  /** Pixels for a step of the map, along each axis. */
  function unit() {
    const [width, height] = size();
    const x = Math.max(40, width / 2 - PADDING) / data.reach[0];
    const y = Math.max(40, height / 2 - PADDING) / data.reach[1];
    return [Math.min(x, MOST_STRETCH * y) * view.scale, Math.min(y, MOST_STRETCH * x) * view.scale];
  }

  function screen(place) {
    const [width, height] = size();
    const [kx, ky] = unit();
    return [width / 2 + (data.x[place] - view.x) * kx, height / 2 - (data.y[place] - view.y) * ky];
  }

  function request() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(draw);
  }

  function draw() {
    waiting = false;
    const [width, height] = size();
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const radius = RADIUS * Math.min(2, 1 + Math.log10(view.scale));
    const groups = new Map();
    const rings = [];
    const chosen = [];
    for (let place = 0; place < data.x.length; place += 1) {
      const [x, y] = screen(place);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      const faded = data.faded(place);
      const key = `${faded ? "0" : "1"}${data.colours[place]}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(x, y);
      if (!faded && data.ringed(place)) rings.push(x, y);
      if (data.chosen(place)) chosen.push(x, y);
    }
    for (const key of [...groups.keys()].sort()) {
      const some = groups.get(key);
      pen.globalAlpha = key[0] === "0" ? 0.1 : some.length > 8000 ? 0.6 : 0.82;
      pen.fillStyle = key.slice(1);
      pen.beginPath();
      for (let n = 0; n < some.length; n += 2) {
        pen.moveTo(some[n] + radius, some[n + 1]);
        pen.arc(some[n], some[n + 1], radius, 0, 7);
      }
      pen.fill();
    }
    pen.globalAlpha = 1;
    circles(pen, rings, radius + 1.6, style.getPropertyValue("--text"), 1.4);
    const many = chosen.length > 400;
    circles(pen, chosen, radius + (many ? 1 : 2.6), style.getPropertyValue("--accent"), many ? 1 : 2.2);
    if (data.current >= 0 && data.current < data.x.length) {
      circles(pen, screen(data.current), radius + 6, style.getPropertyValue("--surface"), 5);
      circles(pen, screen(data.current), radius + 6, style.getPropertyValue("--bad"), 2.6);
    }
    if (lasso && lasso.length > 1) {
      pen.strokeStyle = style.getPropertyValue("--accent");
      pen.fillStyle = style.getPropertyValue("--accent");
      pen.lineWidth = 1.6;
      pen.beginPath();
      lasso.forEach(([x, y], n) => (n ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.globalAlpha = 0.12;
      pen.fill();
      pen.globalAlpha = 1;
      pen.stroke();
    }
  }

  function circles(pen, some, radius, colour, width) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    for (let n = 0; n < some.length; n += 2) {
      pen.moveTo(some[n] + radius, some[n + 1]);
      pen.arc(some[n], some[n + 1], radius, 0, 7);
    }
    pen.stroke();
  }

  function nearest(x, y) {
    let best = -1;
    let gap = NEAR * NEAR;
    for (let place = 0; place < data.x.length; place += 1) {
      if (data.faded(place)) continue;
      const [px, py] = screen(place);
      const square = (px - x) ** 2 + (py - y) ** 2;
      if (square < gap) [best, gap] = [place, square];
    }
    return best;
  }

  function zoom(factor, x = null, y = null) {
    const [width, height] = size();
    const [ax, ay] = [x ?? width / 2, y ?? height / 2];
    const before = unit();
    view.scale = Math.min(MOST_ZOOM, Math.max(0.5, view.scale * factor));
    const after = unit();
    view.x += (ax - width / 2) * (1 / before[0] - 1 / after[0]);
    view.y -= (ay - height / 2) * (1 / before[1] - 1 / after[1]);
    request();
  }

  function pan(x, y) {
    const [kx, ky] = unit();
    view.x -= x / kx;
    view.y += y / ky;
    request();
  }

  function reset() {
    view = { scale: 1, x: 0, y: 0 };
    request();
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = 0;
    lasso = pointers.size === 1 && (mode === "lasso" || event.shiftKey) ? [at(event)] : null;
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      on.hover(nearest(...here), ...here);
      return;
    }
    moved += Math.abs(here[0] - before[0]) + Math.abs(here[1] - before[1]);
    if (lasso) {
      lasso.push(here);
      request();
    } else if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const gap = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]) || 1;
      zoom(gap(here) / gap(before), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
    } else if (moved > 4) pan(here[0] - before[0], here[1] - before[1]);
    pointers.set(event.pointerId, here);
  });
  const up = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    const drawn = lasso;
    lasso = null;
    if (drawn && drawn.length > 3 && moved > 12) on.lasso(inside(drawn));
    else if (moved <= 6 && event.type === "pointerup") on.pick(nearest(...at(event)));
    request();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => on.hover(-1, 0, 0));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(60, Math.abs(event.deltaY)) * 0.006), ...at(event));
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const step = media.matches ? 80 : 40;
    const act = {
      "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: reset,
      ArrowLeft: () => pan(step, 0), ArrowRight: () => pan(-step, 0), ArrowUp: () => pan(0, step), ArrowDown: () => pan(0, -step),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  /** The places of the points within a polygon. */
  function inside(polygon) {
    const found = [];
    for (let place = 0; place < data.x.length; place += 1) {
      if (data.faded(place)) continue;
      const [x, y] = screen(place);
      let within = false;
      for (let n = 0, m = polygon.length - 1; n < polygon.length; m = n, n += 1) {
        const [[ax, ay], [bx, by]] = [polygon[n], polygon[m]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
      }
      if (within) found.push(place);
    }
    return found;
  }

  const sizes = new ResizeObserver(request);
  sizes.observe(canvas);
  return {
    set(given) {
      if (given.x !== data.x) data.reach = [furthest(given.x), furthest(given.y)];
      data = { ...data, ...given };
      request();
    },
    setMode(given) {
      mode = given;
    },
    zoom,
    reset,
    request,
    /** Where a point is drawn, in pixels of the canvas. */
    screen,
    stop: () => sizes.disconnect(),
  };
}

function furthest(values) {
  let found = 1;
  for (const one of values) found = Math.max(found, Math.abs(one));
  return found;
}
