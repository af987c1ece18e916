// The server: questions by HTTP, the live stream, the token both may need.

const FIRST_PAUSE_S = 0.5;
const LONGEST_PAUSE_S = 30;
const SILENCE_S = 10; // the server says something every 2 s
const KEY = "chronotick.token";
const OF_THE_DAEMON = new Set(["daemon_unavailable", "unsynchronised", "not_ready"]);

let token = "";
try {
  token = sessionStorage.getItem(KEY) ?? "";
} catch {
  // Storage is refused: the token lasts as long as the page.
}

export class Refused extends Error {
  /** An answer that is an error: its code, its sentence and its hint. */
  constructor({ code, message, hint }) {
    super(message);
    Object.assign(this, { code, hint: hint ?? "" });
  }
}

export function useToken(text) {
  token = text.trim();
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // as above
  }
}

export const hasToken = () => token !== "";

/** Ask a route. Throws Refused with what the server says, or with code "unreachable", also where
 * its answer is not whole within `patienceS`: what forwards a port may go on without a server. */
export async function ask(path, patienceS = SILENCE_S) {
  let answer, text;
  try {
    answer = await fetch(new URL(path, document.baseURI), {
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      cache: "no-store",
      signal: AbortSignal.timeout(patienceS * 1000),
    });
    text = await answer.text();
  } catch {
    throw new Refused({ code: "unreachable", message: "The server does not answer." });
  }
  const said = parsed(text);
  if (answer.ok && said !== null) return said;
  throw new Refused(
    said?.error ?? { code: String(answer.status), message: `The server answers ${answer.status}.` },
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function protocols() {
  if (!token) return [];
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  const secret = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["chronotick.v1", `chronotick.bearer.${secret}`];
}

/** The live stream, which comes back by itself.
 *
 * `hear(message)` is called with every message, `tell(state, detail)` when the connection changes:
 * "connecting", "live", "waiting" ({pauseS: seconds until the next attempt, why}), "login" (why).
 */
export class Stream {
  constructor(hear, tell) {
    Object.assign(this, { hear, tell, pauseS: FIRST_PAUSE_S, socket: null, timer: 0, watch: 0 });
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
  }

  /** Connect, at once; where a token is missing, "login" is told instead. */
  async connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.tell("connecting");
    try {
      await ask("v1/time");
    } catch (refused) {
      if (refused.code === "unauthorised")
        return this.tell("login", hasToken() ? refused.message : "");
      // Those of the daemon the stream tells too, and when they end.
      if (!OF_THE_DAEMON.has(refused.code))
        return this.wait(refused.code === "unreachable" ? "" : refused.message);
    }
    return this.open();
  }

  /** Connect now if the next attempt is being waited for. */
  retry() {
    if (this.timer) this.connect();
  }

  open() {
    const url = new URL("v1/stream?rate=1", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, protocols());
    this.socket = socket;
    this.listenFor(socket);
    socket.addEventListener("message", (event) => {
      this.listenFor(socket);
      const message = JSON.parse(event.data);
      if (message.type === "hello") {
        this.pauseS = FIRST_PAUSE_S;
        this.tell("live");
      }
      this.hear(message);
    });
    socket.addEventListener("close", () => this.ended(socket));
  }

  /** Give a connection up that says nothing: it may be dead without anyone having closed it. */
  listenFor(socket) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => {
      socket.close();
      this.ended(socket);
    }, SILENCE_S * 1000);
  }

  ended(socket) {
    if (this.socket !== socket) return;
    this.socket = null;
    clearTimeout(this.watch);
    this.wait();
  }

  wait(why = "") {
    const pauseS = this.pauseS * (0.75 + Math.random() / 2); // many pages must not come back at once
    this.pauseS = Math.min(this.pauseS * 2, LONGEST_PAUSE_S);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), pauseS * 1000);
    this.tell("waiting", { pauseS, why });
  }
}
