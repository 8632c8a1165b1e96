// GET /api/grind: fails, as functions do. The edge answers for it and shows nothing of the message.
export default function grind(): Response {
  throw new Error('the burrs are jammed: internal detail that no visitor should see');
}
