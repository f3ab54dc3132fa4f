/** What a visitor would see at once: unreadable text, cut labels, charts without size. */
window.probes = (() => {
  const channel = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const css = (colour) => {
    const [r, g, b, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return { rgb: [r / 255, g / 255, b / 255], alpha };
  };
  const hex = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255);

  function behind(node) {
    for (let n = node; n; n = n.parentElement) {
      const { rgb, alpha } = css(getComputedStyle(n).backgroundColor);
      if (alpha > 0) return rgb;
    }
    return [1, 1, 1];
  }

  /** Visible texts below WCAG's 4.5; text in heatmap cells is covered by `scales`. */
  function poorContrast(root = document.body) {
    const skip = ".cbfill, .heatmap-label, script, style, .ms-sr";
    return [...root.querySelectorAll("*")].flatMap((node) => {
      const style = getComputedStyle(node);
      const field = node.matches("select, textarea, input[type=number], input[type=text], input:not([type])");
      const own = field || [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
      const seen = node.getClientRects().length && style.visibility !== "hidden";
      if (!own || !seen || node.closest(skip) || node.disabled) return [];
      const svg = node.ownerSVGElement;
      const found = ratio(css(svg ? style.fill : style.color).rgb, behind(svg?.parentElement ?? node));
      const words = field ? node.value : node.textContent;
      return found < 4.5 ? [`${words.slice(0, 40)}: ${found.toFixed(2)}`] : [];
    });
  }

  /** The worst contrast of cell text along the scales that are meant to carry text. */
  function scales() {
    const variable = (n) => getComputedStyle(document.body).getPropertyValue(n).trim();
    const text = hex(variable("--ms-cell-text"));
    let worst = 21;
    for (const name of ["diverging", "sequential", "conflicts"]) {
      const stops = variable(`--ms-scale-${name}`).split(/\s*,\s*/).map(hex);
      for (let i = 0; i + 1 < stops.length; i += 1) {
        for (let t = 0; t <= 1; t += 0.05) {
          const mixed = stops[i].map((v, k) => v + t * (stops[i + 1][k] - v));
          worst = Math.min(worst, ratio(mixed, text));
        }
      }
    }
    return worst;
  }

  function drawn() {
    return [...document.querySelectorAll(".ms-panel__chart")].filter(
      (chart) => chart.__seq !== undefined && chart.getClientRects().length,
    );
  }

  /** Labels that stick out of their chart. */
  function cutLabels() {
    return drawn().flatMap((chart) => {
      const box = chart.getBoundingClientRect();
      return [...chart.querySelectorAll("text")].flatMap((node) => {
        const at = node.getBoundingClientRect();
        const out = at.left < box.left - 1 || at.right > box.right + 1
          || at.top < box.top - 1 || at.bottom > box.bottom + 1;
        return at.width && node.textContent.trim() && out ? [node.textContent] : [];
      });
    });
  }

  /** Width times height of every drawn chart. */
  function areas() {
    return drawn().map((chart) => {
      const { width, height } = chart.querySelector(".main-svg").getBoundingClientRect();
      return width * height;
    });
  }

  return { poorContrast, scales, cutLabels, areas };
})();
