"""FastAPI with SQLModel (story 20 and 22): a service with an async engine and a session for each request."""
import asyncio
import contextlib
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, Relationship, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.integrations.serving import served_by_uvicorn


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, unique=True)
    heroes: list["Hero"] = Relationship(back_populates="team")


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    age: int | None = None
    team_id: int | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="heroes")


class NewHero(SQLModel):
    name: str
    age: int | None = None
    team: str


def app_on(url):
    engine = create_async_engine(url, pool_size=3)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        yield
        await engine.dispose()

    async def session():
        async with AsyncSession(engine) as opened:
            yield opened

    app = FastAPI(lifespan=lifespan)
    Session = Annotated[AsyncSession, Depends(session)]

    @app.post("/teams/{name}", status_code=201)
    async def add_team(name: str, session: Session) -> Team:
        team = Team(name=name)
        session.add(team)
        try:
            await session.commit()
        except IntegrityError as error:
            raise HTTPException(409, str(error.orig.sqlstate)) from error
        await session.refresh(team)
        return team

    @app.post("/heroes", status_code=201)
    async def add_hero(new: NewHero, session: Session) -> Hero:
        team = (await session.exec(select(Team).where(Team.name == new.team))).one()
        hero = Hero(name=new.name, age=new.age, team=team)
        session.add(hero)
        await session.commit()
        await session.refresh(hero)
        return hero

    @app.get("/heroes")
    async def heroes(session: Session, older_than: int = 0) -> list[tuple[str, str]]:
        found = select(Hero, Team).join(Team).where(Hero.age > older_than).order_by(Hero.id)
        return [(hero.name, team.name) for hero, team in (await session.exec(found)).all()]

    return app


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg"])
async def test_a_service_keeps_its_models_in_the_database(dsn, scheme):
    async with served_by_uvicorn(app_on(dsn.replace("postgresql", scheme, 1))) as client:
        assert (await client.post("/teams/Preventers")).json() == {"id": 1, "name": "Preventers"}
        again = await client.post("/teams/Preventers")
        assert (again.status_code, again.json()) == (409, {"detail": "23505"})
        answers = await asyncio.gather(*(client.post("/heroes", json={
            "name": f"hero {n}", "age": n, "team": "Preventers"}) for n in range(20)))
        assert {answer.status_code for answer in answers} == {201}
        older = (await client.get("/heroes", params={"older_than": 17})).json()
        assert sorted(older) == [["hero 18", "Preventers"], ["hero 19", "Preventers"]]
