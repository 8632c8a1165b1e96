drop table replacements;
