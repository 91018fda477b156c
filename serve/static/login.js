"use strict";
// A link with the token after # logs in at once; what stands after # is never sent by a browser.
if (location.hash.length > 1) {
  document.getElementById("token").value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  document.getElementById("login").requestSubmit();
}
