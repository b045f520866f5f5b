// State of the page in its address: #key=value&…, so that a link keeps what a reader chose.
// Several parts of the page share it, each with keys of its own; a key that nobody knows stays. An
// address without = is a place of the page, which a link leads to, and no state.

const state = (() => {
  const listeners = [];

  const isState = () => location.hash.includes("=");
  const read = () => new URLSearchParams(isState() ? location.hash.slice(1) : "");

  // Text of a key; null where the address has none.
  const get = (key) => read().get(key);

  // Puts values into the address; null takes a key out. Adds nothing to the history.
  const set = (values) => {
    const now = read();
    for (const [key, value] of Object.entries(values)) {
      if (value === null) now.delete(key);
      else now.set(key, value);
    }
    const text = now.toString();
    if (!text && !isState()) return;
    try {
      history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    } catch {
      // Some browsers refuse it for files, or when it comes too often: the page works all the same.
    }
  };

  // Calls back when a reader follows a link or changes the address by hand.
  const onChange = (listener) => listeners.push(listener);
  addEventListener("hashchange", () => {
    if (isState() || location.hash === "") listeners.forEach((listener) => listener());
  });

  return { get, set, onChange };
})();
