// How does a replay that is packed into the report come to play? It is unpacked and mounted when it is opened.

import { mountPlayer } from "ontick/player.js";

/**
 * Unpack base64 of gzip of JSON.
 * @param {string} text
 * @returns {Promise<object>}
 */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/**
 * Show a replay in the place that was opened for it; what is closed is put away.
 * @param {HTMLDetailsElement} reel
 */
function play(reel) {
  const place = reel.querySelector(".player");
  let player = null;
  reel.addEventListener("toggle", async () => {
    if (!reel.open) {
      player?.destroy();
      player = null;
      return;
    }
    try {
      const replay = await unpack(document.getElementById(reel.dataset.replay).textContent);
      if (reel.open && player === null) player = mountPlayer(place, replay);
    } catch (error) {
      place.textContent = `This replay cannot be shown (${error.message}); a newer browser may help.`;
    }
  });
}

document.querySelectorAll("details.reel").forEach(play);
