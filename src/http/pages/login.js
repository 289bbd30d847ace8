// The login page, its first part: takes the token of a link out of the address.
//
// `pushd token create --qr` makes the link, with the token behind the #, which no browser sends.
// This module imports nothing, so that nothing has to be fetched before the token is out of the
// address bar and of this tab's history.

function take() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

async function begin(token) {
  const page = await import("./entering.js");
  if (token) page.enrol(token);
  else page.show();
}

// Another link that is opened in this tab loads no new page.
addEventListener("hashchange", () => {
  const token = take();
  if (token) begin(token);
});
begin(take());
