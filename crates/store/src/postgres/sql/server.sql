select
  current_setting('server_version_num')::int4,
  current_setting('fsync'),
  current_setting('full_page_writes'),
  current_setting('synchronous_commit'),
  current_setting('synchronous_standby_names'),
  current_setting('data_checksums'),
  pg_is_in_recovery(),
  (
    select count(*)
    from pg_catalog.pg_stat_replication
    where state = 'streaming' and sync_state in ('sync', 'quorum')
  )
