// What this browser can draw decides which page it gets.

const drawing = document.createElement("canvas").getContext("webgl2");
if (drawing) {
  drawing.getExtension("WEBGL_lose_context")?.loseContext(); // it was only asked for; a browser has few of them
  import("./main.js");
} else {
  import("./plain.js");
}
