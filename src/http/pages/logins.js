// What the pages of one browser tell each other about logins, and where a login leads.
//
// The cookie is one for all of them, so whoever logs in or out does so for every tab.

const channel = globalThis.BroadcastChannel ? new BroadcastChannel("pushd-login") : null;

/** Tells the other pages that somebody else may be logged in now, or nobody. */
export const tellChange = () => channel?.postMessage("change");

/** Calls this whenever another page tells that. */
export const onChange = (hear) => channel?.addEventListener("message", hear);

/** The login page, which leads back to the page at `path`. */
export const loginFor = (path) => `/login?next=${encodeURIComponent(path)}`;

/**
 * Where a login leads that came with this `next`: to a page of ours, and to nothing else. A link of
 * a stranger's may have any text there.
 */
export const pageAfter = (next) => (/^\/(ask|r\/[0-9a-z]{1,64})?$/.test(next ?? "") ? next : "/");
