drop table pending_permissions;
alter table tracks drop column fence;
