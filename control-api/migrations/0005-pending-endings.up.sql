-- Keys of the cache whose values ended with a commit, until every cache has been told. Each change has a row of its own:
-- telling of one does not take another, later one for told.
create table pending_endings (
  id bigint generated always as identity primary key,
  family text not null,
  name text not null,
  created_at timestamptz not null default now()
);
insert into pending_endings (family, name) select 'user-orgs', 'user:' || user_id || ':orgs' from pending_permissions;
insert into pending_endings (family, name) select 'user-projects', 'user:' || user_id || ':projects' from pending_permissions;
drop table pending_permissions;
