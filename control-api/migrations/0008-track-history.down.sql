alter table tracks drop column history;
