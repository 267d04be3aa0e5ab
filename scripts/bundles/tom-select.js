import RemoveButton from "tom-select/dist/esm/plugins/remove_button/plugin.js";
import TomSelect from "tom-select/dist/esm/tom-select.js";

TomSelect.define("remove_button", RemoveButton);

export default TomSelect;
