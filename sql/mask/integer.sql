-- Purpose: a fake whole number of the same sign: other numbers get other fakes, and none gets itself. Three rounds of a
-- Feistel network (a permutation of all numbers of that many bits), one step further, and the three rounds backwards.
-- Columns: fake.
-- Lowest server version: 15.
SELECT (CASE WHEN g.negative THEN ~ ((g.high << {low_bits}) | g.low) ELSE (g.high << {low_bits}) | g.low END)::{type} AS fake
FROM (
    SELECT f.negative, f.low, f.high # (('x' || encode(substring(sha256(decode(current_setting('drydock.mask_round'), 'hex')
            || int4send({bits} * 4 + 1) || int8send(f.low)) FROM 1 FOR 4), 'hex'))::bit(32)::bigint & {high_mask}) AS high
    FROM (
        SELECT e.negative, e.high, e.low # (('x' || encode(substring(sha256(decode(current_setting('drydock.mask_round'), 'hex')
            || int4send({bits} * 4 + 2) || int8send(e.high)) FROM 1 FOR 4), 'hex'))::bit(32)::bigint & {low_mask}) AS low
        FROM (
            SELECT d.negative, d.number & {low_mask} AS low,
                   (d.number >> {low_bits}) # (('x' || encode(substring(sha256(decode(current_setting('drydock.mask_round'), 'hex')
            || int4send({bits} * 4 + 3) || int8send(d.number & {low_mask})) FROM 1 FOR 4), 'hex'))::bit(32)::bigint & {high_mask}) AS high
            FROM (
                SELECT c.negative, CASE WHEN c.number = ((({high_mask}) << {low_bits}) | {low_mask}) THEN 0 ELSE c.number + 1 END AS number
                FROM (
                    SELECT b.negative, ((b.high # (('x' || encode(substring(sha256(decode(current_setting('drydock.mask_round'), 'hex')
            || int4send({bits} * 4 + 3) || int8send(b.low)) FROM 1 FOR 4), 'hex'))::bit(32)::bigint & {high_mask})) << {low_bits}) | b.low AS number
                    FROM (
                        SELECT a.negative, a.high, a.low # (('x' || encode(substring(sha256(decode(current_setting('drydock.mask_round'), 'hex')
            || int4send({bits} * 4 + 2) || int8send(a.high)) FROM 1 FOR 4), 'hex'))::bit(32)::bigint & {low_mask}) AS low
                        FROM (
                            SELECT o.negative, o.number & {low_mask} AS low,
                                   (o.number >> {low_bits}) # (('x' || encode(substring(sha256(decode(current_setting('drydock.mask_round'), 'hex')
            || int4send({bits} * 4 + 1) || int8send(o.number & {low_mask})) FROM 1 FOR 4), 'hex'))::bit(32)::bigint & {high_mask}) AS high
                            FROM (
                                SELECT {value} < 0 AS negative,
                                       CASE WHEN {value} < 0 THEN ~ ({value}::bigint) ELSE {value}::bigint END AS number
                                OFFSET 0
                            ) AS o
                            OFFSET 0
                        ) AS a
                        OFFSET 0
                    ) AS b
                    OFFSET 0
                ) AS c
                OFFSET 0
            ) AS d
            OFFSET 0
        ) AS e
        OFFSET 0
    ) AS f
    OFFSET 0
) AS g;
