// Draws all targets in one call on a canvas of its own, so that moving targets do not make the map draw itself anew.

import { mercatorX, mercatorY } from "./geo.js";
import { SHAPE, SHAPES } from "./kinds.js";
import { WORDS } from "./store.js";

const CELL = 128, ACROSS = 4;

const VERTEX = `#version 300 es
layout(location=0) in vec2 corner;
layout(location=1) in vec4 place;
layout(location=2) in vec4 motion;
layout(location=3) in vec3 hull;
layout(location=4) in vec4 colour;
layout(location=5) in uvec4 look;
uniform vec4 middle; uniform vec2 viewport;
uniform float world, now, zoom, scale, ratio, still, big;
uniform uint dart, hullShape, lying;
out vec2 uv; out vec4 paint; out float fade, hollow; flat out uint mark;
void main() {
  uint flags = look.y;
  if ((flags & 1u) != 0u) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
  bool chosen = (flags & 6u) != 0u, air = (flags & 8u) != 0u, lies = (flags & 16u) != 0u, fixedPlace = (flags & 32u) != 0u;
  float age = now - motion.z, limit = hull.z;
  vec2 p = (place.xy - middle.xy) + (place.zw - middle.zw) + vec2(world, 0.0);
  if (still < 0.5) p += motion.xy * clamp(age, 0.0, limit);
  p *= scale;
  bool far = zoom < (air ? 4.2 : 5.6) && !fixedPlace && !chosen && look.w == 0u;
  float size = air ? mix(10.0, 17.0, smoothstep(4.2, 10.0, zoom)) : mix(8.5, 15.0, smoothstep(5.5, 11.0, zoom));
  if (far) size = mix(3.6, air ? 6.5 : 5.5, smoothstep(1.0, 5.0, zoom));
  if (fixedPlace) size = mix(4.0, 8.5, smoothstep(5.0, 12.0, zoom));
  if (lies && !air && !fixedPlace) size *= 0.85;
  if (chosen || look.w != 0u) size = max(size * 1.2, 12.0);
  vec2 half_ = vec2(size) * ratio * big;
  uint shape = far ? dart : look.x;
  vec2 real = vec2(hull.y, hull.x) * scale;
  if (real.y * 0.5 > half_.y) { half_ = vec2(max(real.x * 1.9, real.y * 0.16), real.y * 0.5); shape = hullShape; }
  float turn = shape == lying || fixedPlace ? 0.0 : motion.w;
  vec2 q = corner * half_;
  q = vec2(q.x * cos(turn) - q.y * sin(turn), q.x * sin(turn) + q.y * cos(turn));
  gl_Position = vec4((p + q) * vec2(2.0, -2.0) / viewport, 0.0, 1.0);
  uv = (vec2(float(shape % 4u), float(shape / 4u)) + corner * 0.5 + 0.5) / 4.0;
  float from = air ? 20.0 : (lies ? 400.0 : 120.0), to = air ? 120.0 : (lies ? 1500.0 : 900.0);
  fade = chosen || fixedPlace ? 1.0 : mix(1.0, 0.35, smoothstep(from, to, age));
  hollow = !lies && !fixedPlace && age > limit ? 1.0 : 0.0;
  paint = colour; mark = far ? flags | 64u : flags;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D atlas; uniform vec4 rim; uniform vec3 accent;
in vec2 uv; in vec4 paint; in float fade, hollow; flat in uint mark; out vec4 colour;
void main() {
  vec3 found = texture(atlas, uv).rgb; // body, rim, core
  float body = found.r * (1.0 - hollow * 0.85 * found.b);
  bool chosen = (mark & 6u) != 0u;
  float far = (mark & 64u) != 0u ? 0.1 : 1.0; // or a crowd of small ones is rims and no colours
  float edge = found.g * (1.0 - found.r) * (chosen ? 1.0 : rim.a * far);
  float alpha = max(body, edge) * fade;
  vec3 shown = mix(chosen ? accent : rim.rgb, paint.rgb, found.r);
  colour = vec4(shown * alpha, alpha);
}`;

/** All shapes in one picture: red the body, green a rim around it, blue the core that is left out of an estimate. */
function atlas() {
  const size = CELL * ACROSS, out = new Uint8Array(size * size * 4);
  const canvas = Object.assign(document.createElement("canvas"), { width: CELL, height: CELL }), pen = canvas.getContext("2d", { willReadFrequently: true });
  const drawn = (draw) => { pen.setTransform(1, 0, 0, 1, 0, 0); pen.clearRect(0, 0, CELL, CELL); pen.translate(CELL / 2, CELL / 2); pen.scale(CELL / 124, CELL / 124); pen.translate(-50, -50); draw(); return pen.getImageData(0, 0, CELL, CELL).data; };
  Object.entries(SHAPES).forEach(([name, path], number) => {
    const shape = new Path2D(path), thin = name === "hull";
    const layers = [
      drawn(() => pen.fill(shape)),
      drawn(() => { pen.lineWidth = thin ? 5 : 15; pen.lineJoin = "round"; pen.stroke(shape); pen.fill(shape); }),
      drawn(() => { pen.fill(shape); pen.globalCompositeOperation = "destination-out"; pen.lineWidth = 15; pen.stroke(shape); pen.globalCompositeOperation = "source-over"; }),
    ];
    const left = (number % ACROSS) * CELL, top = Math.floor(number / ACROSS) * CELL;
    for (let y = 0; y < CELL; y++) for (let x = 0; x < CELL; x++) layers.forEach((layer, channel) => { out[((top + y) * size + left + x) * 4 + channel] = layer[(y * CELL + x) * 4 + 3]; });
  });
  return { size, data: out };
}

export class Layer {
  constructor(canvas, store) {
    Object.assign(this, { canvas, store, big: 1 });
    canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); this.gl = null; });
    canvas.addEventListener("webglcontextrestored", () => this.#open());
    this.#open();
  }

  #open() {
    const gl = (this.gl = this.canvas.getContext("webgl2", { alpha: true, premultipliedAlpha: true, antialias: false, depth: false, powerPreference: "low-power" }));
    if (!gl) throw new Error("This browser has no WebGL 2");
    const program = (this.program = linked(gl));
    this.at = new Proxy({}, { get: (known, name) => (known[name] ??= gl.getUniformLocation(program, name)) });
    const picture = atlas();
    gl.bindTexture(gl.TEXTURE_2D, (this.texture = gl.createTexture()));
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, picture.size, picture.size, 0, gl.RGBA, gl.UNSIGNED_BYTE, picture.data);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.bindVertexArray((this.array = gl.createVertexArray()));
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, (this.buffer = gl.createBuffer()));
    const stride = WORDS * 4;
    [[1, 4, 0], [2, 4, 16], [3, 3, 32]].forEach(([index, size, offset]) => { gl.enableVertexAttribArray(index); gl.vertexAttribPointer(index, size, gl.FLOAT, false, stride, offset); gl.vertexAttribDivisor(index, 1); });
    gl.enableVertexAttribArray(4); gl.vertexAttribPointer(4, 4, gl.UNSIGNED_BYTE, true, stride, 44); gl.vertexAttribDivisor(4, 1);
    gl.enableVertexAttribArray(5); gl.vertexAttribIPointer(5, 4, gl.UNSIGNED_BYTE, stride, 48); gl.vertexAttribDivisor(5, 1);
    gl.bindVertexArray(null);
    this.store.grown = true; // the new buffer is empty
  }

  resize(ratio) {
    this.ratio = ratio;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio); this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
  }

  /** `view`: lon and lat of the middle, zoom, west and east in degrees, which may reach beyond 180. */
  draw(view) {
    const { gl, at, store } = this;
    if (!gl) return;
    this.#upload(gl);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT);
    const x = mercatorX(view.lon), y = mercatorY(view.lat), highX = Math.fround(x), highY = Math.fround(y);
    gl.useProgram(this.program); gl.bindVertexArray(this.array); gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.uniform4f(at.middle, highX, highY, x - highX, y - highY);
    gl.uniform2f(at.viewport, this.canvas.width, this.canvas.height);
    gl.uniform1f(at.scale, 512 * 2 ** view.zoom * this.ratio); gl.uniform1f(at.ratio, this.ratio); gl.uniform1f(at.big, this.big);
    gl.uniform1f(at.now, store.now() - store.base); gl.uniform1f(at.zoom, view.zoom); gl.uniform1f(at.still, store.still ? 1 : 0);
    gl.uniform1ui(at.dart, SHAPE.dart); gl.uniform1ui(at.hullShape, SHAPE.hull); gl.uniform1ui(at.lying, SHAPE.lying);
    gl.uniform4f(at.rim, ...(store.dark ? [0.03, 0.06, 0.1, 0.9] : [1, 1, 1, 0.95]));
    gl.uniform3f(at.accent, ...(store.dark ? [1, 1, 1] : [0.05, 0.09, 0.15]));
    gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    for (let world = Math.floor((view.west + 180) / 360); world <= Math.floor((view.east + 180) / 360); world++) {
      gl.uniform1f(at.world, world); gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, store.count);
    }
    gl.bindVertexArray(null);
  }

  #upload(gl) {
    const { store } = this, [first, last] = store.changed;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    if (store.grown) gl.bufferData(gl.ARRAY_BUFFER, store.floats, gl.DYNAMIC_DRAW);
    else if (last >= first) gl.bufferSubData(gl.ARRAY_BUFFER, first * WORDS * 4, store.floats, first * WORDS, (last - first + 1) * WORDS);
    store.grown = false; store.changed = [Infinity, -1];
  }
}

function linked(gl) {
  const program = gl.createProgram();
  [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]].forEach(([kind, source]) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source); gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  });
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}
