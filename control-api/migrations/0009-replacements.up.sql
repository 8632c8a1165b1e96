-- What each track showed before, and until when: whose pages may still be open.
create table replacements (
  track_id uuid not null references tracks (id) on delete cascade,
  deployment_id uuid not null references deployments (id) on delete cascade,
  replaced_at timestamptz not null,
  primary key (track_id, deployment_id)
);
create index replacements_by_track on replacements (track_id, replaced_at desc);
create index replacements_by_deployment on replacements (deployment_id);
-- Of before, it is known only when a deployment was shown last, and that the next one of its track took its place.
insert into replacements
select track_id, id, replaced_at
from (
  select track_id, id, lead(shown_at) over (partition by track_id order by shown_at) as replaced_at
  from deployments
  where status = 'success' and shown_at is not null
) as shown
where replaced_at is not null;
