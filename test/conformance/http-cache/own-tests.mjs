// Rules that are younger than the suite, in its own form.
export const ownTests = [];
