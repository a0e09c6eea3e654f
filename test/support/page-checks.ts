/**
 * Run inside a page: texts whose contrast with what is behind them is under 4.5:1 (WCAG 2.2, 1.4.3). Transparent
 * backgrounds are looked through.
 */
export const FAINT_TEXTS = `(() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = rgb(color).map((part) => part / 255).map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgb(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
    .filter((element) => !["SCRIPT", "STYLE", "OPTION"].includes(element.tagName))
    .filter((element) => {
      const [light, dark] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((a, b) => b - a);
      return (light + 0.05) / (dark + 0.05) < 4.5;
    })
    .map((element) => element.textContent.trim());
})()`;

/** Run inside a page: elements that are wider than the window or than the box that shows them, with their texts. */
export const CUT_OFF = `[...document.querySelectorAll("body *:not(.hidden, option, script, style, svg, svg *)")]
  .filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    if (width === 0) return false;
    const isTable = ["TABLE", "THEAD", "TBODY", "TR"].includes(element.tagName);
    return left < -1 || right > innerWidth + 1 || (!isTable && element.scrollWidth > Math.ceil(element.clientWidth) + 1 && getComputedStyle(element).display !== "inline" && !element.matches("input, select"));
  })
  .map((element) => "cut off: " + element.outerHTML.slice(0, 120))`;
