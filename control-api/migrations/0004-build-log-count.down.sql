alter table builds drop column log_dropped;
alter table builds drop column log_count;
