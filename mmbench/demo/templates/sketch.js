// A sketchpad: its value is the drawing as a PNG's data URL, "" when nothing is drawn.
const canvas = element.querySelector("canvas");
const colour = element.querySelector("input");
[canvas.width, canvas.height] = props.size;
colour.value = props.ink;
colour.parentElement.hidden = !props.colours;
const pen = canvas.getContext("2d");

const clear = () => {
  pen.fillStyle = props.paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  props.value = "";
};

const place = event => {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) * canvas.width / box.width;
  const y = (event.clientY - box.top) * canvas.height / box.height;
  return [x, y];
};

const line = event => {
  pen.lineTo(...place(event));
  pen.stroke();
};

canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  pen.lineWidth = 0.08 * Math.max(...props.size);
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = colour.value;
  pen.beginPath();
  pen.moveTo(...place(event));
  line(event);
});
canvas.addEventListener("pointermove", event => event.buttons && line(event));
canvas.addEventListener("pointerup", () => { props.value = canvas.toDataURL("image/png"); });
element.querySelector("button").addEventListener("click", clear);
clear();
