drop table control_apis;
drop sequence looks;
