export { default } from "tom-select/dist/esm/tom-select.js";
