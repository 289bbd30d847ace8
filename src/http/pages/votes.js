// How the votes on a request stand, by the daemon's own rule (src/domain/terms.rs).
//
// It is for people to read; what counts is what the daemon says.

/** Whether one answer settles it, as most requests have it. */
export const isPlain = ({ approvals_needed: approvals, denials_needed: denials, panels = [] }) =>
  approvals <= 1 && denials <= 1 && panels.length === 0;

/** Who has said this so far. */
const voters = ({ decisions }, verdict) =>
  decisions.filter((vote) => vote.verdict === verdict).map(({ approver }) => approver.principal);

/**
 * `{approvals, denials}` so far, how many `moreApprovals` and `moreDenials` settle it at the
 * earliest, and its `panels`, each with how many it `has`.
 */
export function standing(view) {
  const [approvers, deniers] = [voters(view, "approve"), voters(view, "deny")];
  const panels = seat(view.panels ?? [], approvers);
  const empty = panels.reduce((sum, { approvals, has }) => sum + approvals - has, 0);
  return {
    approvals: approvers.length,
    denials: deniers.length,
    moreApprovals: Math.max(view.approvals_needed - approvers.length, empty),
    moreDenials: view.denials_needed - deniers.length,
    panels,
  };
}

// Each panel with how many of these sit on it, where nobody takes two seats: seats are filled one by
// one, and who sits moves where that makes room (augmenting paths in a bipartite graph).
function seat(panels, names) {
  const seats = panels.flatMap((panel) => Array(panel.approvals).fill(panel));
  const sits = new Map();
  const fill = (n, asked) =>
    names.some((name) => {
      if (asked.has(name) || !seats[n].members.includes(name)) return false;
      asked.add(name);
      if (sits.has(name) && !fill(sits.get(name), asked)) return false;
      sits.set(name, n);
      return true;
    });
  for (const n of seats.keys()) fill(n, new Set());
  const on = (panel) => [...sits.values()].filter((n) => seats[n] === panel).length;
  return panels.map((panel) => ({ ...panel, has: on(panel) }));
}

/** What somebody has said on a request that waits for more votes; `undefined` if nothing. */
export const voteOf = ({ status, decisions }, principal) =>
  status === "pending" ? decisions.find(({ approver }) => approver.principal === principal) : undefined;
