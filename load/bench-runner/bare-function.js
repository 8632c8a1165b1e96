// The function of the benchmark alone in workerd, called without anything in between.
export default { fetch: () => new Response('hello') };
