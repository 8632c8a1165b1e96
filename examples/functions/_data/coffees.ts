export type Coffee = {
  id: string;
  name: string;
  origin: string;
  process: string;
  notes: string[];
  cents: number;
};

export const coffees: readonly Coffee[] = [
  {
    id: 'guji',
    name: 'Guji',
    origin: 'Ethiopia',
    process: 'natural',
    notes: ['peach', 'jasmine', 'honey'],
    cents: 1450,
  },
  {
    id: 'huila',
    name: 'Huila',
    origin: 'Colombia',
    process: 'washed',
    notes: ['panela', 'plum', 'cocoa'],
    cents: 1300,
  },
  {
    id: 'nightjar',
    name: 'Nightjar',
    origin: 'Brazil',
    process: 'decaf',
    notes: ['hazelnut', 'fig', 'rum'],
    cents: 1350,
  },
];
