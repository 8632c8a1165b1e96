-- Ids of the deployments that a track showed, the present one last: what a rollback goes back through.
alter table tracks add column history text[] not null default '{}';
