/** Words that are kept in a provider's error even where a text contains them too: without them it says nothing. */
export const KEPT_WORDS = wordsIn(`
  a an and any are array as at be by can characters context could exceed exceeded exceeds expected field for from had has
  have however in input inputs invalid is it its key large length limit long longer max maximum message model must no not
  number of on only or parameter per please property prompt provided reduce request requested resulted s server should
  size string supported t than that the their this to token tokens too try unsupported use value was with you your
`);

/** Words of which providers' errors are made: kept next to what cannot be read, where no other word is. */
export const MESSAGE_WORDS = wordsIn(`
  about above abort aborted accept acceptable accepted access account accounts action active actual add additional
  admin after again all allocate allocated allocation allow allowed allows already also although always amount
  another answer api app application applied argument arguments arrearage attempt attempted attempts attribute auth
  authentication authorization authorized authz auto available average back backend backends bad balance base based
  batch batches batching been before being below best better between beyond billing block blocked body boolean both
  broken bucket budget buffer build busy bytes call called calls cancel cancelled cannot capacity change changed check
  chunk chunks class client closed cloud code codes column combined compatible complete completed completion compute
  concurrency concurrent config configuration configured connect connection connections console contact contain
  contains content contents correct corrupt count crash crashed create created credential credentials credit credits
  cuda current currently daily data database date day days deadline decode decoding default define defined delete
  denied deployment deployments deprecated describe detail details detected device did different dimension dimensions
  directory disabled disk do document documentation documents does doesn domain don down download due duplicate
  during each earlier either element elements embed embedding embeddings embeds empty enable enabled encode encoded
  encoding encountered end endpoint endpoints engine enough ensure enter entity entry environment equal error errors
  eof even event every exact exactly example except exception exhausted exist existing exists expires expired
  extra fail failed failing fails failure false fatal feature few fewer fields file files filter filtered find first
  fit fits fixed flagged float floats follow following forbidden format found free fully function gateway general
  generate generation get give given go good got gpu greater guardrail guardrails half handle handled harmful have
  header headers health help here high higher host hour hours how http https id identifier if illegal image images
  implemented improper inactive include included including incorrect incomplete index inference info information
  initialize insufficient inspection instance instances instead integer internal into invocation invoke ip isn issue
  issues item items json just keys kind known language last later layer least left less level library like likely
  limited limits line list load loaded loading local location log logs low lower made maintenance make malformed
  managed many map match matches mean media memory method methods might min mini minimum minute minutes mismatch
  missing mode models moderation modified month monthly more most multiple name names need needed needs negative
  network never new next node none null object objects off offline ok old once one ones open operation option optional
  options order organization other out output over overload overloaded own page param parameters params parse parsing
  part passed path payload payment pending period permission permissions permitted phone plan plans policy pool
  port position possible post present previous price pricing private process processed processing product project
  prompts properties protocol provider providers proxy public purchase query queue quota quotas range rate raw reach
  reached read ready reason receive received recently refer refused region register registered reject rejected
  release remaining remote remove repeated replica replicas requests require required requires reset resource
  resources response responses restart restricted result results retry return returned review right role route router
  routes rule run runner running runtime safety same schema scope search second seconds security see seems select
  send sensitive sent sequence sequences service services session set setting settings shape shared short shorten
  shorter shutdown since single slot slow small smaller some something soon source space specific specified specify
  standard start started starting state status still stop stopped storage stream strict subscription succeed success
  successful such suffix support supports suspended switch system table take takes task temporarily temporary
  terminated text texts then there these they those thread throttled throttling tier time timed timeout times tls
  together tokenizer total traffic transient tried trigger triggered true truncate truncated truncation two type
  types unable unauthorized unavailable unexpected unhealthy unknown unprocessable until up update upgrade
  upload upper upstream url usage used user users using valid validate validation values vector vectors verify version
  very via violate violates violation vram wait want warning way we were what when where whether which while who
  whole why will within without word words work worker workspace would write wrong yet zero
  accessdenied azure bedrock cohere gemini google jina litellm llama mistral nim nvidia ollama openai openrouter
  tei titan vertex vllm voyage dashscope base64 utf8 float32 int8 uint8 ubinary binary ascii utf html xml
`);

function wordsIn(list: string): ReadonlySet<string> {
  return new Set(list.trim().split(/\s+/));
}
