// The texts of a page whose contrast to what is behind them is less than 4.5 to 1, by WCAG 2's formula. Evaluated in the page
// from outside; gives a list of sentences. What is disabled, hidden or on a canvas is not looked at.
(() => {
  const LEAST = 4.5;
  const parts = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((part, index) => part * a + below[index] * (1 - a));
  const luminance = (color) => {
    const [r, g, b] = color.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parts(getComputedStyle(at).backgroundColor));
    const page = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    return layers.reduce((below, layer) => over(layer, below), page);
  };
  const opacity = (element) => {
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    return opacity;
  };
  const found = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const words = texts.currentNode.textContent.trim();
    if (!words || !element.checkVisibility() || element.closest(":disabled, script, style, option")) continue;
    const behind = ground(element);
    const [r, g, b, a] = parts(getComputedStyle(element).color);
    const ink = over([r, g, b, a * opacity(element)], behind);
    const [light, dark] = [luminance(ink), luminance(behind)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    const what = `${element.tagName.toLowerCase()}.${element.className}`;
    if (contrast < LEAST && !found.has(what)) found.set(what, `contrast ${contrast.toFixed(2)} of "${words.slice(0, 40)}" (${what})`);
  }
  return [...found.values()];
})()
