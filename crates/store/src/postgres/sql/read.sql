select first, next, epoch, previous, digest, stamp, bytes
from wayleave_journal.batch
where book = $1
  and next > $2
  and first >= (
    select coalesce(max(b.first), 0)
    from wayleave_journal.batch b
    where b.book = $1 and b.first <= $2
  )
order by first
limit $3
