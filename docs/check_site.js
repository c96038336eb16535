// Opens each of `pages` in a frame, at three widths, light and dark, and posts what is wrong.
// Started by check_site.py, which serves the pages.

const WIDTHS = [420, 1280, 1920];
const CONTRAST = 3; // of text and background, the least that WCAG asks of large text
const SCROLLING = "table, .math"; // may be wider than a phone, and scroll by themselves
const problems = new Set();

const frame = document.createElement("iframe");
frame.style = "border: 0; height: 1000px";
document.body.append(frame);

function shown(element) {
  return element.getClientRects().length > 0;
}

function excerpt(element) {
  return element.textContent.trim().replace(/\s+/g, " ").slice(0, 60);
}

// What the reader would miss at this width.
function cut(root, width) {
  const found = [];
  if (root.documentElement.scrollWidth > width + 1) found.push("scrolls sideways");
  for (const block of root.querySelectorAll("article pre"))
    if (shown(block) && block.scrollWidth > block.clientWidth + 1)
      found.push(`code is cut: ${excerpt(block)}`);
  for (const text of root.querySelectorAll("a:not(.headerlink), code, p, h1, h2, h3"))
    if (shown(text) && text.getBoundingClientRect().right > width + 1 && !text.closest(SCROLLING))
      found.push(`beyond the window: ${excerpt(text)}`);
  if (width < 1000) return found;
  const header = root.querySelector(".bd-header");
  if (header && header.offsetHeight > 80) found.push("the header has more than a line");
  for (const table of root.querySelectorAll("article table"))
    if (shown(table) && table.scrollWidth > table.parentElement.clientWidth + 1)
      found.push(`a table is cut: ${excerpt(table)}`);
  return found;
}

// Formulas that MathJax has not drawn, pictures that did not load, files from elsewhere.
function missing(root, view) {
  const found = [];
  for (const formula of root.querySelectorAll("article .math"))
    if (!formula.querySelector("mjx-container") || formula.querySelector("[data-mml-node=merror]"))
      found.push(`a formula is not drawn: ${excerpt(formula)}`);
  const text = root.querySelector("article")?.cloneNode(true);
  text?.querySelectorAll("pre, code, script, .math").forEach((x) => x.remove());
  if (/\\\(|\\\[|\$\$/.test(text?.textContent)) found.push("a raw formula");
  for (const picture of root.images)
    if (shown(picture) && !picture.naturalWidth) found.push(`no picture ${picture.src}`);
  for (const file of view.performance.getEntriesByType("resource"))
    if (!file.name.startsWith(location.origin) && !file.name.startsWith("data:"))
      found.push(`loads ${file.name}`);
  return found;
}

function rgb(color) {
  const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
  return { channels: [r, g, b], opaque: a > 0.5 };
}

function luminance(channels) {
  const [r, g, b] = channels.map((x) => ((x /= 255) <= 0.04 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Text whose color is too near to that of its background.
function unreadable(root, view) {
  const found = new Set();
  for (const element of root.querySelectorAll("article *, .bd-header *")) {
    const words = [...element.childNodes].some((x) => x.nodeType === 3 && x.data.trim());
    if (!words || !shown(element) || element.closest("svg, mjx-container, script")) continue;
    let behind = element;
    while (behind && !rgb(view.getComputedStyle(behind).backgroundColor).opaque) behind = behind.parentElement;
    if (!behind) continue;
    const levels = [
      luminance(rgb(view.getComputedStyle(element).color).channels),
      luminance(rgb(view.getComputedStyle(behind).backgroundColor).channels),
    ].sort((x, y) => y - x);
    if ((levels[0] + 0.05) / (levels[1] + 0.05) < CONTRAST)
      found.add(`faint text: ${excerpt(element)}`);
  }
  return [...found];
}

async function check(page) {
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  frame.style.width = "1280px";
  frame.src = `/${page}`;
  await loaded;
  const view = frame.contentWindow;
  const root = frame.contentDocument;
  await view.MathJax?.startup?.promise;
  root.querySelectorAll("img").forEach((x) => (x.loading = "eager"));
  await Promise.all([...root.images].map((x) => x.decode().catch(() => {})));
  // Colors and sizes take effect at once, so that they can be read at once.
  root.head.insertAdjacentHTML("beforeend", "<style>* { transition: none !important }</style>");
  missing(root, view).forEach((x) => problems.add(`${page}: ${x}`));
  for (const width of WIDTHS) {
    frame.style.width = `${width}px`;
    await new Promise((resolve) => setTimeout(resolve, 20)); // media queries take effect
    cut(root, width).forEach((x) => problems.add(`${page} at ${width} px: ${x}`));
  }
  for (const theme of ["light", "dark"]) {
    root.documentElement.dataset.theme = theme;
    unreadable(root, view).forEach((x) => problems.add(`${page}, ${theme}: ${x}`));
  }
}

(async () => {
  for (const page of pages) {
    try {
      await check(page);
    } catch (error) {
      problems.add(`${page}: ${error}`);
    }
  }
  await fetch("/check-site", { method: "POST", body: JSON.stringify([...problems]) });
})();
