create table pending_permissions (
  user_id uuid primary key,
  created_at timestamptz not null default now()
);
insert into pending_permissions (user_id)
  select distinct split_part(name, ':', 2)::uuid from pending_endings where family in ('user-orgs', 'user-projects');
drop table pending_endings;
