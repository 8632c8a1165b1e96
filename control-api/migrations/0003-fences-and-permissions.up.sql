-- The highest fencing number under which a deploy has moved the track: one that lost its lock comes with a lower one.
alter table tracks add column fence bigint not null default 0;

-- Users whose memberships changed and whose cached permissions were not ended yet.
create table pending_permissions (
  user_id uuid primary key,
  created_at timestamptz not null default now()
);
