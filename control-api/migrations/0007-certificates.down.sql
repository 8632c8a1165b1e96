drop table acme_accounts;
drop table certificate_orders;
drop table certificates;
