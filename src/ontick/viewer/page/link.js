// Is the page in touch with the server? One websocket, opened again whenever it is lost.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const PING_MS = 5000;
const SILENCE_MS = 15000;

/** @typedef {"connecting" | "open" | "lost"} LinkState */

export class Link {
  #socket = null;
  #lost = null;
  #wait = FIRST_WAIT_MS;
  #heard = 0;
  #onMessage;
  #onState;

  /**
   * @param {(message: {say: string}) => void} onMessage
   * @param {(state: LinkState, reason?: string) => void} onState reason: the server's, for ending it
   */
  constructor(onMessage, onState) {
    this.#onMessage = onMessage;
    this.#onState = onState;
    this.#open();
    setInterval(() => this.#ping(), PING_MS);
    window.addEventListener("online", () => this.#socket?.readyState === WebSocket.CLOSED && this.#open());
  }

  /** Send a message, or drop it where there is no connection: a key pressed a minute ago means nothing. */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    const address = new URL("ws", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#onState("connecting");
    socket.addEventListener("open", () => {
      this.#wait = FIRST_WAIT_MS;
      this.#heard = performance.now();
      this.#onState("open");
    });
    socket.addEventListener("message", ({ data }) => {
      this.#heard = performance.now();
      this.#onMessage(JSON.parse(data));
    });
    socket.addEventListener("close", ({ reason }) => this.#lose(socket, reason));
  }

  #lose(socket, reason = "") {
    if (socket !== this.#socket || this.#lost === socket) return;
    this.#lost = socket;
    this.#onState("lost", reason);
    setTimeout(() => socket === this.#socket && this.#open(), this.#wait);
    this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
  }

  /** Ask for a sign of life; without one for long, the connection counts as lost. */
  #ping() {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.#heard < SILENCE_MS) return this.send({ do: "ping", t: Math.round(performance.now()) });
    socket.close();
    this.#lose(socket);
  }
}
