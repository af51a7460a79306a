"""Tortoise ORM (story 23), whose driver is asyncpg by name."""
import datetime
import decimal
import uuid

import pytest
from tortoise import Tortoise, connections, fields
from tortoise.exceptions import DoesNotExist, IntegrityError, OperationalError
from tortoise.expressions import F, Q
from tortoise.functions import Count, Sum
from tortoise.models import Model
from tortoise.transactions import in_transaction


class Team(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=50, unique=True)
    facts = fields.JSONField(default=dict)
    key = fields.UUIDField(default=uuid.uuid4)
    founded = fields.DateField(null=True)
    budget = fields.DecimalField(max_digits=10, decimal_places=2, default=decimal.Decimal(0))
    created = fields.DatetimeField(auto_now_add=True)
    players: fields.ReverseRelation["Player"]


class Player(Model):
    id = fields.IntField(primary_key=True)
    name = fields.TextField()
    goals = fields.IntField(default=0)
    team = fields.ForeignKeyField("models.Team", related_name="players")


@pytest.fixture
async def orm(dsn):
    await Tortoise.init(db_url=dsn.replace("postgresql://", "asyncpg://"), modules={"models": [__name__]})
    await Tortoise.generate_schemas()
    yield
    await connections.close_all()


@pytest.mark.usefixtures("orm")
async def test_objects_are_created_found_changed_and_deleted():
    team = await Team.create(
        name="Reds", facts={"a": [1, None]}, founded=datetime.date(1999, 1, 2), budget=decimal.Decimal("12.50"))
    await Player.create(name="Ann", team=team, goals=3)
    await Player.bulk_create([Player(name=f"p{n}", team=team, goals=n) for n in range(20)])
    read = await Team.get(name="Reds").prefetch_related("players")
    assert (read.facts, read.key, read.founded, read.budget) == ({"a": [1, None]}, team.key, team.founded, team.budget)
    assert len(read.players) == 21 and read.created.tzinfo is not None
    assert await Player.filter(Q(goals__gt=17) | Q(name="Ann"), team__name="Reds").count() == 3
    assert await Player.all().update(goals=F("goals") + 1) == 21
    counted = await Team.annotate(n=Count("players"), total=Sum("players__goals")).first()
    assert (counted.n, counted.total) == (21, sum(range(20)) + 3 + 21)
    assert await Team.all().values_list("name", flat=True) == ["Reds"]
    assert await Player.filter(name__in=["p1", "p2"]).delete() == 2
    with pytest.raises(DoesNotExist):
        await Team.get(name="Blues")


@pytest.mark.usefixtures("orm")
async def test_transactions_nest_and_errors_are_tortoises():
    await Team.create(name="Reds")
    with pytest.raises(IntegrityError):
        await Team.create(name="Reds")
    with pytest.raises(IntegrityError):
        async with in_transaction():
            await Team.create(name="Blues")
            await Team.create(name="Reds")
    async with in_transaction():
        await Team.create(name="Greens")
        with pytest.raises(ZeroDivisionError):
            async with in_transaction():
                await Team.create(name="Greys")
                raise ZeroDivisionError
    assert set(await Team.all().values_list("name", flat=True)) == {"Reds", "Greens"}
    with pytest.raises(OperationalError):
        await connections.get("default").execute_query("SELECT nothing")
    count, rows = await connections.get("default").execute_query("SELECT name FROM team ORDER BY name")
    assert (count, [row["name"] for row in rows]) == (2, ["Greens", "Reds"])
