select e.newest, b.next, b.digest, b.stamp
from wayleave_journal.epoch e
left join lateral (
  select next, digest, stamp
  from wayleave_journal.batch
  where book = e.book
  order by first desc
  limit 1
) b on true
where e.book = $1
