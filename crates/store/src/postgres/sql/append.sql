insert into wayleave_journal.batch (book, first, next, epoch, previous, digest, stamp, bytes)
select $1, $2, $3, $4, $5, $6, $7, $8
from wayleave_journal.epoch e
where e.book = $1
  and e.newest = $4
  and case
    when $2 = 0 then $5 = decode(repeat('00', 32), 'hex')
    else (
      select b.next = $2 and b.digest = $5 and b.stamp < $7
      from wayleave_journal.batch b
      where b.book = $1 and b.first < $2
      order by b.first desc
      limit 1
    )
  end
for share of e
