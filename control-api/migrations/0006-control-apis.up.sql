-- The control APIs that run, each with the number of its last look at pending_endings. Numbers, not times: a change is
-- seen by whoever drew a higher one before looking, whatever the clocks say.
create sequence looks;
create table control_apis (
  id uuid primary key,
  look bigint not null
);
