// Who sits here: the annotator's name, and the holder of the leases.
//
// The holder is one tab. A reload keeps it, so that the tab gets the same queries again. A browser copies the
// storage of a tab that is duplicated, and two tabs must not hold one lease: so a tab asks at its start whether
// another one has its name, and takes a new one if so.

const HOLDER = "stream_al.holder";
const ANNOTATOR = "stream_al.annotator";
const ASK_MS = 60;

function freshName() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return `desk-${btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_")}`;
}

/** The name of this tab as a holder of leases. */
export async function holder() {
  let mine = sessionStorage.getItem(HOLDER) || freshName();
  const channel = new BroadcastChannel("stream_al.holders");
  const taken = await new Promise((resolve) => {
    channel.onmessage = (event) => event.data?.has === mine && resolve(true);
    channel.postMessage({ who: mine });
    setTimeout(() => resolve(false), ASK_MS);
  });
  if (taken) mine = freshName();
  channel.onmessage = (event) => event.data?.who === mine && channel.postMessage({ has: mine });
  sessionStorage.setItem(HOLDER, mine);
  return mine;
}

/** The name that labels are given under: the one that was typed, or that of the token. */
export function annotator(tokenName) {
  return localStorage.getItem(ANNOTATOR) || tokenName || null;
}

export function setAnnotator(name) {
  const given = name.trim().slice(0, 200);
  if (given) localStorage.setItem(ANNOTATOR, given);
  else localStorage.removeItem(ANNOTATOR);
}

/** How many labels this annotator has given today in this browser. */
export function counted(application, who) {
  const day = new Date().toLocaleDateString("sv");
  const name = `stream_al.count.${application}.${who || ""}`;
  let known;
  try {
    known = JSON.parse(localStorage.getItem(name) || "null");
  } catch {
    known = null;
  }
  let today = known && known.day === day && Number.isInteger(known.labels) ? known.labels : 0;
  return {
    get today() {
      return today;
    },
    add(number) {
      today = Math.max(0, today + number);
      localStorage.setItem(name, JSON.stringify({ day, labels: today }));
    },
  };
}
